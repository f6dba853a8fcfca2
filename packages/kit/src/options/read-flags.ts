import { didYouMean } from '../nearest.ts';
import type { OptionDef, OptionDefs } from './option-def.ts';
import { OptionsError } from './options-error.ts';

export type FoundFlag = { raw: unknown; source: string; exitCode: 2 };
type Named = { key: string; def: OptionDef; negated: boolean };

function flagNames(defs: OptionDefs): Map<string, Named> {
  const names = new Map<string, Named>();
  for (const [key, def] of Object.entries(defs)) {
    if (def.flag !== undefined) names.set(`--${def.flag}`, { key, def, negated: false });
    if (def.flag !== undefined && def.type === 'boolean') names.set(`--no-${def.flag}`, { key, def, negated: true });
    if (def.short !== undefined) names.set(`-${def.short}`, { key, def, negated: false });
  }
  return names;
}

const looksLikeFlag = (word: string) => /^-[^\d.]/.test(word);

/** The value that belongs to a flag: `--x=v`, `--x v`, or none for a boolean. */
function valueOf(name: string, named: Named, inline: string | undefined, next: string | undefined) {
  if (named.def.type === 'boolean') {
    if (inline !== undefined && named.negated) {
      throw new OptionsError({ source: name, exitCode: 2 }, 'takes no value');
    }
    return { raw: inline ?? !named.negated, tookNext: false };
  }
  if (inline !== undefined) return { raw: inline, tookNext: false };
  if (next === undefined || looksLikeFlag(next)) {
    const hint = next === undefined ? {} : { hint: `a value that begins with - is written ${name}=${next}` };
    throw new OptionsError({ source: name, exitCode: 2, ...hint }, 'needs a value');
  }
  return { raw: next, tookNext: true };
}

/** Splits words into flags and positionals. `--` ends the flags; a lone `-` is a positional; the last of two wins. */
export function readFlags(defs: OptionDefs, argv: readonly string[], positionalsMax: number) {
  const names = flagNames(defs);
  const flags = new Map<string, FoundFlag>();
  const positionals: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      positionals.push(...argv.slice(i + 1));
      break;
    }
    if (!looksLikeFlag(word)) {
      positionals.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const named = names.get(name);
    if (named === undefined) {
      throw new OptionsError(
        { source: name, exitCode: 2 },
        `unknown flag${didYouMean(name, names.keys()) || '; see --help'}`,
      );
    }
    const { raw, tookNext } = valueOf(name, named, equals < 0 ? undefined : word.slice(equals + 1), argv[i + 1]);
    if (tookNext) i++;
    const before = flags.get(named.key)?.raw;
    const all = named.def.type === 'string[]' ? [...(Array.isArray(before) ? (before as unknown[]) : []), raw] : raw;
    flags.set(named.key, { raw: all, source: name, exitCode: 2 });
  }
  const extra = positionals[positionalsMax];
  if (extra !== undefined)
    throw new OptionsError(
      { source: 'command line', exitCode: 2 },
      `unexpected word ${JSON.stringify(extra)}; see --help`,
    );
  return { flags, positionals };
}
