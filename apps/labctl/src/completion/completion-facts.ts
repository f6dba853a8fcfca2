/** What a shell can offer, read from the commands themselves: names, flags, their values, and words such as types. */
import type { OptionDef } from '@labmesh/kit/options/option-def';
import type { Command, CommandEntry } from '../command.ts';

export type FlagFacts = {
  /** `--output` and `-o`. */
  names: readonly string[];
  /** Whether the next word is its value. */
  takesValue: boolean;
  choices: readonly string[];
  /** The value is a path: the shell's own completion knows those. */
  path: boolean;
  help: string;
};

export type CommandFacts = {
  /** `keys create`. */
  name: string;
  summary: string;
  flags: readonly FlagFacts[];
  /** Words for each positional; the last list also for later ones. */
  words: readonly (readonly string[])[];
};

/** Placeholders of options that hold a path. */
const pathPlaceholders = new Set(['FILE', 'DIR', 'PATH']);

function flagFacts(def: OptionDef): FlagFacts[] {
  if (def.flag === undefined) return [];
  const names = [`--${def.flag}`, ...(def.short === undefined ? [] : [`-${def.short}`])];
  const choices = def.type === 'string' || def.type === 'string[]' ? (def.choices ?? []) : [];
  const takesValue = def.type !== 'boolean';
  const path = pathPlaceholders.has(def.placeholder ?? '');
  const facts = { names, takesValue, choices, path, help: def.help };
  // A flag that is on by default is only ever written to turn it off.
  return def.type === 'boolean' && def.default === true ? [{ ...facts, names: [`--no-${def.flag}`] }] : [facts];
}

const helpFlag: FlagFacts = {
  names: ['--help', '-h'],
  takesValue: false,
  choices: [],
  path: false,
  help: 'tell the options',
};

export function commandFacts(entry: CommandEntry, command: Command): CommandFacts {
  const flags = [...Object.values(command.options).flatMap(flagFacts), helpFlag];
  return { name: entry.name, summary: entry.summary, flags, words: command.completes ?? [] };
}

/** Loads every command; what the table says of a name is taken from its entry. */
export const allFacts = (table: readonly CommandEntry[]): Promise<CommandFacts[]> =>
  Promise.all(table.map(async (entry) => commandFacts(entry, await entry.load())));

/** The beginnings of names and the words that may follow: '' → `keys` …, `keys` → `create` …. Whole names are no beginning. */
export function nextWords(facts: readonly CommandFacts[]): Map<string, string[]> {
  const next = new Map<string, string[]>();
  for (const { name } of facts) {
    const words = name.split(' ');
    words.forEach((word, index) => {
      const start = words.slice(0, index).join(' ');
      const known = next.get(start) ?? [];
      if (!known.includes(word)) next.set(start, [...known, word]);
    });
  }
  return next;
}
