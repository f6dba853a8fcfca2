import { parseOptions, renderHelp, wantsHelp } from '@labmesh/kit/options';
import { Stopped } from '@labmesh/kit/run';
import { expandShortFlags, moveLeadingFlags, splitRest } from './dispatch/argv.ts';
import type { Command, World } from './command.ts';
import { commandGroups, commandTable } from './command-table.ts';
import { exitCodes } from './exit-codes.ts';
import { commandsBelow, findCommand, overview, unknownCommand, wholeNoun } from './dispatch/find-command.ts';
import { fleetOptions } from './fleet-options.ts';
import { foreseen, tell } from './dispatch/tell-error.ts';

/** Help first: it must work beside settings with a fault. */
async function runCommand(command: Command, given: readonly string[], world: World): Promise<number> {
  const { options, usage, summary, examples } = command;
  if (wantsHelp(given)) {
    world.stdout(renderHelp(options, { usage, summary, examples }));
    return 0;
  }
  const { own, rest } = command.takesRest ? splitRest(given) : { own: given, rest: undefined };
  const argv = expandShortFlags(own, options);
  const file = await command.readFile?.(argv, world.env);
  const { values, positionals, sources } = parseOptions(options, {
    argv,
    env: world.env,
    file,
    positionalsMax: command.positionalsMax,
  });
  return (await command.run({ values, positionals, rest, sources, world, file, commands: commandTable })) ?? 0;
}

/** `help`, `--help`, no words, and a noun with --help. Undefined for all else. */
function helpText(argv: readonly string[]): string | undefined {
  const [first] = argv;
  if (first === undefined || first === '--help' || first === '-h') return overview(commandGroups);
  if (!wantsHelp(argv) || findCommand(commandTable, argv) !== undefined) return undefined;
  const noun = wholeNoun(commandTable, argv);
  return noun === undefined ? undefined : overview(commandsBelow(commandGroups, noun));
}

/** `help keys` is `keys --help`, and `--version` is a command. */
function readWords(given: readonly string[]): readonly string[] {
  const [first, ...others] = given;
  if (first === '--version') return ['version', ...others];
  if (first !== 'help') return moveLeadingFlags(given, fleetOptions);
  return others.length === 0 ? [] : [...others, '--help'];
}

/** Runs `labctl <argv>`; gives the exit code (CT-8). Throws only what nobody foresaw. */
export async function dispatch(given: readonly string[], world: World): Promise<number> {
  const argv = readWords(given);
  try {
    const help = helpText(argv);
    if (help !== undefined) {
      world.stdout(help);
      return exitCodes.ok;
    }
    const found = findCommand(commandTable, argv);
    if (found === undefined) throw unknownCommand(commandTable, argv);
    return await runCommand(await found.entry.load(), found.rest, world);
  } catch (error) {
    if (error instanceof Stopped) return exitCodes.interrupted;
    const told = foreseen(error);
    if (told === undefined) throw error;
    return tell(told, argv, world);
  }
}
