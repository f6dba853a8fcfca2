/** `enroll run status facts check-config version uninstall` (AG-1), and what the unit runs: `guard` (AG-8). */
import { resolve } from 'node:path';
import { OptionsError, renderHelp, wantsHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { agentOptions, type AgentOptions } from './agent-options.ts';
import { runAgent } from './run-agent.ts';
import { readAgentOptions } from './read-agent-options.ts';
import { runCopyHelper } from './copy/copy-helper.ts';
import { helperName } from './copy/helper-protocol.ts';
import { readFacts } from './facts/read-facts.ts';
import { enrolHere } from './identity/enrol-here.ts';
import { installHere, removeHere } from './unit/install.ts';
import { runGuard } from './update/run-guard.ts';
import { agentVersion as version } from './version.ts';
import { readStatus } from './write-status.ts';

const commands = [
  'enroll',
  'run',
  'status',
  'facts',
  'check-config',
  'install',
  'guard',
  'version',
  'uninstall',
] as const;
const print = (text: string) => void process.stdout.write(text);

const help = {
  settings: true,
  usage: `lab-agent ${commands.join('|')} [--config FILE] [options]`,
  summary:
    'Joins this machine to labd: it dials out, and nothing listens here. Settings stand in labmesh.toml, table [agent].',
  examples: [
    'printf %s lmj_… | sudo lab-agent enroll --url https://labd:3101 --ca-pin sha256:… --token-file -',
    'sudo lab-agent install      (systemd unit, started now and at boot)',
    'lab-agent run',
  ],
};

/** This program as its own file, without a bundle around it. */
const ownCommand = (): string[] => [
  process.execPath,
  ...(process.argv[1] === undefined || process.argv[1].startsWith('/$bunfs') ? [] : [process.argv[1]]),
];

/** One file holds all of this program: it can stand in a folder of its version. */
const isOneFile = import.meta.dir.startsWith('/$bunfs/');

const install = ({ installDir }: AgentOptions, config: string | undefined, selfCommand: readonly string[]) =>
  installHere({
    config: config === undefined ? undefined : resolve(config),
    installDir,
    version,
    selfCommand,
    program: isOneFile ? process.execPath : undefined,
  });

function status(options: AgentOptions): number {
  const { text, exitCode } = readStatus(options);
  print(text);
  return exitCode;
}

/**
 * Runs lab-agent; gives the exit code: 0 ok, 1 failed, 2 usage, 3 settings.
 * @param selfCommand words that start lab-agent again, where it is one program of several in a file
 */
export async function agentMain(argv: string[], life: Life, selfCommand = ownCommand()): Promise<number> {
  if (argv[0] === helperName) {
    await runCopyHelper();
    return 0;
  }
  if (argv.length === 0 || wantsHelp(argv)) {
    print(renderHelp(agentOptions, help));
    return argv.length === 0 ? 2 : 0;
  }
  try {
    const { options, command, config } = await readAgentOptions(argv);
    if (command === 'version') print(`lab-agent ${version}\n`);
    else if (command === 'enroll') print(await enrolHere(options, version));
    else if (command === 'run') return await runAgent(options, life, selfCommand);
    else if (command === 'guard') print(`${runGuard(options)}\n`);
    else if (command === 'status') return status(options);
    else if (command === 'facts') print(`${JSON.stringify((await readFacts()).facts, null, 2)}\n`);
    else if (command === 'check-config') print('the settings are good\n');
    else if (command === 'install') print(`${await install(options, config, selfCommand)}\n`);
    else if (command === 'uninstall') {
      await removeHere(options);
      print('the unit and the identity of this machine are gone; `labctl agents remove` forgets it at labd\n');
    } else throw new OptionsError({ source: 'lab-agent', exitCode: 2 }, `expected ${commands.join(', ')}`);
    return 0;
  } catch (error) {
    if (error instanceof OptionsError || error instanceof FleetError) {
      const hint = error instanceof FleetError ? error.hint : undefined;
      process.stderr.write(
        `lab-agent: ${error.message}${error instanceof FleetError ? ` (${error.code})` : ''}${hint === undefined ? '' : `\nhint: ${hint}`}\n`,
      );
      return error instanceof OptionsError ? error.exitCode : 1;
    }
    throw error;
  }
}
