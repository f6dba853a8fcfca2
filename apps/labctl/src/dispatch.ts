import { didYouMean } from '@labmesh/kit/nearest';
import { OptionsError, parseOptions, renderHelp, wantsHelp } from '@labmesh/kit/options';
import type { Command, World } from './command.ts';
import { CommandError } from './command-error.ts';
import { commandTable, type CommandEntry } from './command-table.ts';

const nameColumns = 14;

/** The text of `labctl --help`; with a noun, only its verbs. */
function overview(entries: readonly CommandEntry[]): string {
  const rows = entries.map(({ name, summary }) => `  ${name.padEnd(nameColumns)}${summary}`);
  return [
    'Usage: labctl <command> [options]',
    'One OpenAI-compatible API over every LLM server in reach.',
    `Commands:\n${rows.join('\n')}`,
    'labctl <command> --help tells the options of a command; --json works with all of them.',
    '',
  ].join('\n\n');
}

/** A command and the words that are its own. */
type Found = { entry: CommandEntry; rest: string[] };

/** `keys create demo` → the command `keys create` and the rest. */
function findCommand(argv: readonly string[]): Found | undefined {
  const entry = commandTable.find(({ name }) => name.split(' ').every((word, index) => argv[index] === word));
  return entry === undefined ? undefined : { entry, rest: argv.slice(entry.name.split(' ').length) };
}

/** Says what is wrong with the first words and which words there are. */
function unknownCommand(argv: readonly string[]): CommandError {
  const verbs = commandTable.filter(({ name }) => name.startsWith(`${argv[0]} `));
  if (verbs.length > 0) {
    const wanted = argv[1] === undefined || argv[1].startsWith('-') ? undefined : argv[1];
    const names = verbs.map(({ name }) => name.split(' ')[1] ?? '');
    const near = wanted === undefined ? '' : didYouMean(wanted, names);
    const problem = wanted === undefined ? `${argv[0]} needs a verb` : `unknown verb "${argv[0]} ${wanted}"${near}`;
    return new CommandError(problem, { hint: `labctl ${argv[0]} ${names.join('|')}`, exitCode: 2 });
  }
  const words = new Set(commandTable.map(({ name }) => name.split(' ')[0] ?? ''));
  const near = didYouMean(argv[0] ?? '', words);
  return new CommandError(`unknown command "${argv[0]}"${near}`, { hint: 'labctl --help lists them', exitCode: 2 });
}

/** Help first: it must work beside settings with a fault. */
async function runCommand(command: Command, argv: readonly string[], world: World): Promise<number> {
  const { options, usage, summary, examples } = command;
  if (wantsHelp(argv)) {
    world.stdout(renderHelp(options, { usage, summary, examples }));
    return 0;
  }
  const file = await command.readFile?.(argv, world.env);
  const { values, positionals, sources } = parseOptions(options, {
    argv,
    env: world.env,
    file,
    positionalsMax: command.positionalsMax,
  });
  return (await command.run({ values, positionals, sources, world, file })) ?? 0;
}

/** What went wrong, for the person (stderr) and, with --json, for the program (stdout). */
function tell(error: unknown, argv: readonly string[], world: World): number {
  if (!(error instanceof CommandError) && !(error instanceof OptionsError)) throw error;
  const hint = error instanceof CommandError ? error.hint : undefined;
  world.stderr(`error: ${error.message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`);
  if (argv.includes('--json')) {
    world.stdout(`${JSON.stringify({ error: { message: error.message, ...(hint !== undefined && { hint }) } })}\n`);
  }
  return error.exitCode;
}

/** Runs `labctl <argv>`; gives the exit code. Throws only what nobody foresaw. */
export async function dispatch(argv: readonly string[], world: World): Promise<number> {
  try {
    const [first] = argv;
    if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
      world.stdout(overview(commandTable));
      return 0;
    }
    const found = findCommand(first === '--version' ? ['version', ...argv.slice(1)] : argv);
    if (found !== undefined) return await runCommand(await found.entry.load(), found.rest, world);
    const verbs = commandTable.filter(({ name }) => name.startsWith(`${first} `));
    if (verbs.length > 0 && wantsHelp(argv)) {
      world.stdout(overview(verbs));
      return 0;
    }
    throw unknownCommand(argv);
  } catch (error) {
    return tell(error, argv, world);
  }
}
