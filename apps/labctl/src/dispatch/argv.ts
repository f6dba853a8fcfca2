/** What is done to the words of the command line before the options are read. */
import type { OptionDef, OptionDefs } from '@labmesh/kit/options/option-def';

/** The words before `--`, and those after it. */
export function splitRest(argv: readonly string[]): { own: readonly string[]; rest: readonly string[] | undefined } {
  const end = argv.indexOf('--');
  return end < 0 ? { own: argv, rest: undefined } : { own: argv.slice(0, end), rest: argv.slice(end + 1) };
}

/** Whether a failure has to be told as JSON too: `--json`, `-o json`, `--output=json` … */
export function wantsJson(argv: readonly string[]): boolean {
  const { own } = splitRest(argv);
  return own.some(
    (word, index) =>
      word === '--json' ||
      /^(?:--output=|-o=?)(?:nd)?json$/.test(word) ||
      (/^(?:--output|-o)$/.test(word) && /^(?:nd)?json$/.test(own[index + 1] ?? '')),
  );
}

const takesValue = (def: OptionDef | undefined) => def !== undefined && def.type !== 'boolean';

/**
 * Flags that stand before the command (`labctl --context prod get servers`) go behind its name. Only those that all
 * commands share can stand there; others stay, and are refused as unknown commands.
 */
export function moveLeadingFlags(argv: readonly string[], shared: OptionDefs): readonly string[] {
  const byName = new Map<string, OptionDef>();
  for (const def of Object.values(shared)) {
    if (def.flag !== undefined) byName.set(`--${def.flag}`, def);
    if (def.short !== undefined) byName.set(`-${def.short}`, def);
  }
  let at = 0;
  while (at < argv.length) {
    const word = argv[at] ?? '';
    const def = byName.get(word.split('=')[0] ?? '');
    if (def === undefined) break;
    at += takesValue(def) && !word.includes('=') ? 2 : 1;
  }
  if (at === 0 || at >= argv.length) return argv;
  // Behind the name, which ends at the first flag or `--`: the noun and verb are looked up first.
  const tail = argv.slice(at);
  const end = tail.findIndex((word) => word.startsWith('-'));
  const cut = end < 0 ? tail.length : end;
  return [...tail.slice(0, cut), ...argv.slice(0, at), ...tail.slice(cut)];
}

/** `-it` → `-i -t`, `-ojson` → `-o=json`: letters joined as in other tools; words that are no joined flags stay. */
export function expandShortFlags(argv: readonly string[], defs: OptionDefs): string[] {
  const byLetter = new Map<string, OptionDef>();
  for (const def of Object.values(defs)) if (def.short !== undefined) byLetter.set(def.short, def);
  const { own, rest } = splitRest(argv);
  const expanded = own.flatMap((word) => {
    if (!/^-[A-Za-z][^=]/.test(word)) return [word];
    const words: string[] = [];
    for (let at = 1; at < word.length; at++) {
      const def = byLetter.get(word[at] ?? '');
      if (def === undefined) return [word];
      if (takesValue(def)) {
        const value = word.slice(at + 1).replace(/^=/, '');
        return [...words, value === '' ? `-${word[at]}` : `-${word[at]}=${value}`];
      }
      words.push(`-${word[at]}`);
    }
    return words;
  });
  return rest === undefined ? expanded : [...expanded, '--', ...rest];
}
