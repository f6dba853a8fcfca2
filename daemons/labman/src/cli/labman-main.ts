/** The program `labman`: the operator's word to the node of this machine. */
import { parseOptions, renderHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { LabmandError } from './ask-labmand.ts';
import { type Command, commands, commandsHelp } from './commands.ts';
import { type LabmanFlags, labmanHelp, labmanOptions } from './labman-options.ts';

const print = (text: string) => void process.stdout.write(text);
const usage = 2;

/** The command that the words begin with, and what stands behind it. */
function commandIn([first = '', second = '', ...rest]: readonly string[]): {
  found: Command;
  words: readonly string[];
} {
  const name = first === 'tunnel' ? `tunnel ${second}` : first;
  const words = first === 'tunnel' ? rest : [second, ...rest].filter((word) => word !== '');
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (found === undefined) {
    throw new LabmandError(`expected one of ${Object.keys(commands).join(', ')}; see --help`, usage);
  }
  if (words.length <= (found.takes === undefined ? 0 : 1)) return { found, words };
  throw new LabmandError(`labman ${name} takes ${found.takes ?? 'nothing behind it'}; see --help`, usage);
}

async function run(flags: LabmanFlags, positionals: readonly string[]): Promise<number> {
  const { found, words } = commandIn(positionals);
  return found.run({ flags, words, print });
}

/**
 * Gives the exit code: 0 done, 1 refused, failed or not post-quantum, 2 usage, 3 settings or keys, 4 no settings, 5 a right
 * or backend is missing, 6 labmand is not reached (or runs where it must not), 8 what is there is not replaced.
 */
export async function labmanMain(argv: string[], _life: Life): Promise<number> {
  try {
    const { values: flags, positionals } = parseOptions(labmanOptions, { argv, env: process.env, positionalsMax: 4 });
    if (!flags.help && positionals.length > 0) return await run(flags, positionals);
    print(`${renderHelp(labmanOptions, labmanHelp)}\n${commandsHelp()}`);
    return flags.help ? 0 : usage;
  } catch (error) {
    // Those of settings, keys, tunnel and labmand.
    const { exitCode } = error as { exitCode?: unknown };
    if (typeof exitCode !== 'number' || !(error instanceof Error)) throw error;
    process.stderr.write(`labman: ${error.message}\n`);
    return exitCode;
  }
}
