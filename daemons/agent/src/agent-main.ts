/** `enroll run status facts check-config version uninstall` (AG-1). */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readConfigFile } from '@labmesh/kit/config-file';
import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { OptionsError, parseOptions, renderHelp, wantsHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import manifest from '../package.json' with { type: 'json' };
import { Agent } from './agent.ts';
import { agentOptions, type AgentOptions } from './agent-options.ts';
import { runCopyHelper } from './copy/copy-helper.ts';
import { helperName } from './copy/helper-protocol.ts';
import { readFacts } from './facts/read-facts.ts';
import { enrolHere, identityOf } from './identity/enrol-here.ts';
import { installUnit, removeUnit } from './unit/systemd-unit.ts';
import { tellReady } from './unit/tell-ready.ts';

const { version } = manifest;
const commands = ['enroll', 'run', 'status', 'facts', 'check-config', 'install', 'version', 'uninstall'] as const;
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

async function readOptions(
  argv: string[],
): Promise<{ options: AgentOptions; command: string | undefined; config: string | undefined }> {
  const at = argv.findIndex((word) => word === '--config' || word === '-c');
  const config = at === -1 ? undefined : argv[at + 1];
  const rest = at === -1 ? argv : [...argv.slice(0, at), ...argv.slice(at + 2)];
  const read = config === undefined ? undefined : await readConfigFile(config);
  const file =
    read === undefined ? undefined : { ...read, known: Object.keys(read.data).filter((table) => table !== 'agent') };
  const { values, positionals } = parseOptions(agentOptions, { argv: rest, env: process.env, file, positionalsMax: 1 });
  return { options: values, command: positionals[0], config };
}

/** This program as its own file, without a bundle around it. */
const ownCommand = (): string[] => [
  process.execPath,
  ...(process.argv[1] === undefined || process.argv[1].startsWith('/$bunfs') ? [] : [process.argv[1]]),
];

async function run(options: AgentOptions, life: Life, selfCommand: readonly string[]): Promise<void> {
  const log = createLogger(
    { level: options.logLevel, format: process.stderr.isTTY ? 'pretty' : 'json' },
    { part: 'agent' },
  );
  const identity = await identityOf(options, version);
  const agent = life.stack.use(new Agent({ identity, options, clock: systemClock, log, version, selfCommand }));
  const running = agent.run();
  life.stack.use(tellReady(() => agent.state));
  await Promise.race([running, life.stopped]);
}

function status(options: AgentOptions): number {
  const path = join(options.stateDir, 'status.json');
  if (!existsSync(path)) {
    print('not running, or never started\n');
    return 1;
  }
  print(readFileSync(path, 'utf8'));
  return 0;
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
    const { options, command, config } = await readOptions(argv);
    if (command === 'version') print(`lab-agent ${version}\n`);
    else if (command === 'enroll') print(await enrolHere(options, version));
    else if (command === 'run') await run(options, life, selfCommand);
    else if (command === 'status') return status(options);
    else if (command === 'facts') print(`${JSON.stringify((await readFacts()).facts, null, 2)}\n`);
    else if (command === 'check-config') print('the settings are good\n');
    else if (command === 'install') print(`${await installUnit(config, selfCommand)}\n`);
    else if (command === 'uninstall') {
      await removeUnit();
      rmSync(options.stateDir, { recursive: true, force: true });
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
