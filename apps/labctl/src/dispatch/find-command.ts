/** From words to a command, and what to say when there is none. Commands have one to four words, noun then verb. */
import { didYouMean } from '@labmesh/kit/nearest';
import { CommandError } from '../command-error.ts';
import type { CommandEntry, CommandGroup } from '../command.ts';
import { exitCodes, exitCodesHelp } from '../exit-codes.ts';

const wordsOf = ({ name }: CommandEntry) => name.split(' ');
const beginsWith = (words: readonly string[], start: readonly string[]) =>
  start.every((word, index) => words[index] === word);

/** A command and the words that are its own. */
export type FoundCommand = { entry: CommandEntry; rest: readonly string[] };

/** `keys create demo` → the command `keys create` and the rest. Of `ca` and `ca status` the longer one counts. */
export function findCommand(table: readonly CommandEntry[], argv: readonly string[]): FoundCommand | undefined {
  const entry = table
    .filter((one) => beginsWith(argv, wordsOf(one)))
    .reduce<CommandEntry | undefined>(
      (best, one) => (best === undefined || wordsOf(one).length > wordsOf(best).length ? one : best),
      undefined,
    );
  return entry === undefined ? undefined : { entry, rest: argv.slice(wordsOf(entry).length) };
}

/** The longest beginning of the words that commands begin with: `init bastion` of `init bastion standalone start`. */
function nounOf(table: readonly CommandEntry[], argv: readonly string[]): readonly string[] {
  let length = 0;
  while (length < argv.length && table.some((one) => beginsWith(wordsOf(one), argv.slice(0, length + 1)))) length++;
  return argv.slice(0, length);
}

/** The commands that begin with the words, a group with none left out. */
export function commandsBelow(groups: readonly CommandGroup[], noun: readonly string[]): CommandGroup[] {
  return groups
    .map(({ title, entries }) => ({ title, entries: entries.filter((one) => beginsWith(wordsOf(one), noun)) }))
    .filter(({ entries }) => entries.length > 0);
}

/** The noun that the words name whole, such as `keys` of `keys --help`; undefined when they name none. */
export function wholeNoun(table: readonly CommandEntry[], argv: readonly string[]): readonly string[] | undefined {
  const own = argv.filter((word) => !word.startsWith('-'));
  const noun = nounOf(table, own);
  return noun.length > 0 && noun.length === own.length ? noun : undefined;
}

/** Says what is wrong with the first words and which words there are. */
export function unknownCommand(table: readonly CommandEntry[], argv: readonly string[]): CommandError {
  const noun = nounOf(table, argv);
  const below = table.filter((one) => beginsWith(wordsOf(one), noun));
  const names = [...new Set(below.map((one) => wordsOf(one)[noun.length] ?? ''))];
  const wanted = argv[noun.length];
  if (noun.length === 0) {
    const problem = `unknown command "${wanted}"${didYouMean(wanted ?? '', names)}`;
    return new CommandError(problem, { hint: 'labctl --help lists them', exitCode: exitCodes.usage });
  }
  const path = noun.join(' ');
  const problem =
    wanted === undefined || wanted.startsWith('-')
      ? `${path} needs a verb`
      : `unknown verb "${path} ${wanted}"${didYouMean(wanted, names)}`;
  return new CommandError(problem, { hint: `labctl ${path} ${names.join('|')}`, exitCode: exitCodes.usage });
}

/** The text of `labctl --help`; with a noun, only its commands. */
export function overview(groups: readonly CommandGroup[]): string {
  const columns = Math.max(12, ...groups.flatMap(({ entries }) => entries.map(({ name }) => name.length))) + 2;
  const lists = groups
    .filter(({ entries }) => entries.length > 0)
    .map(({ title, entries }) =>
      [`${title}:`, ...entries.map(({ name, summary }) => `  ${name.padEnd(columns)}${summary}`)].join('\n'),
    );
  return [
    'Usage: labctl <command> [options]',
    'One OpenAI-compatible API over every LLM server in reach, and control of the machines they run on.',
    ...lists,
    'labctl <command> --help tells the options of a command; --json works with all of them.',
    exitCodesHelp,
    '',
  ].join('\n\n');
}
