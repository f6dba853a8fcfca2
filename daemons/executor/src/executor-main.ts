/** The program `lab-executor`: settings, probes, socket, and an end that leaves nothing behind. */
import { systemClock } from '@labmesh/kit/clock';
import { readConfigFile } from '@labmesh/kit/config-file';
import { createLogger, type Logger } from '@labmesh/kit/log';
import { parseOptions, renderHelp } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import type { Life } from '@labmesh/kit/run';
import { openSandbox } from '@labmesh/sandbox/open-sandbox';
import manifest from '../package.json' with { type: 'json' };
import { executorHelp, executorOptions } from './executor-options.ts';
import { Executor } from './executor.ts';
import { networkNodeSign, OnNetworkNode } from './network-node.ts';
import { serveExecutor } from './serve-executor.ts';
import { sweepOrphans } from './sweep-orphans.ts';

const { version } = manifest;
/** A labmand that starts later is seen after this long, and ends us. */
const lookMs = 60_000;

type Values = ReturnType<typeof readOptions>;

function readOptions(argv: string[], file?: OptionsFile) {
  return parseOptions(executorOptions, {
    argv,
    file: file && besideOthers(executorOptions, file),
    positionalsMax: 0,
  }).values;
}

/** Resolves when whoever started us is gone, however that went. */
async function ownerGone(): Promise<void> {
  for await (const _ of Bun.stdin.stream());
}

/** Rejects when this machine becomes a node of the network plane. */
async function watchForNode(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const sign = await networkNodeSign();
    if (sign !== undefined) throw new OnNetworkNode(sign);
    await systemClock.sleep(lookMs, signal).catch(() => undefined);
  }
}

async function serve(values: Values, life: Life, log: Logger, wasmCommand: readonly string[]): Promise<void> {
  const sign = await networkNodeSign();
  if (sign !== undefined) throw new OnNetworkNode(sign);
  const sweep = () => {
    const count = sweepOrphans(values.uidBase);
    if (count > 0) log.info('sandboxes that lost their bwrap were ended', { count });
  };
  sweep();
  const sandbox = await openSandbox({ uidBase: values.uidBase, log, bunPath: process.execPath, wasmCommand });
  const executor = new Executor({ sandbox, settings: values, log, sweep });
  const levels = executor.levels();
  for (const { level, tools, ...report } of levels) {
    log.info('sandbox level', { isolation: level, ...report, tools: Object.keys(tools) });
  }
  await using _ = await serveExecutor(values.socket, executor, log).catch(async (error: unknown) => {
    await executor[Symbol.asyncDispose]();
    throw error;
  });
  const ready = levels.filter((report) => report.ready).map(({ level }) => level);
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, socket: values.socket, levels: ready })}\n`);
  log.info('the executor is ready', { socket: values.socket, pool: values.pool, levels: ready });
  await Promise.race([life.stopped, watchForNode(life.signal), ...(values.owned ? [ownerGone()] : [])]);
  log.info('the executor ends', executor.pool.view);
}

/**
 * Runs the executor; `wasmCommand` starts the child of level L0. Gives the exit code: 0 ok, 1 run time, 2 usage,
 * 3 settings, 8 on a node of the network plane, or the socket cannot be ours.
 */
export async function executorMain(argv: string[], life: Life, wasmCommand: readonly string[]): Promise<number> {
  try {
    const flags = readOptions(argv);
    if (flags.help) process.stdout.write(renderHelp(executorOptions, executorHelp));
    else if (flags.version) process.stdout.write(`lab-executor ${version}\n`);
    if (flags.help || flags.version) return 0;
    const values = flags.config === undefined ? flags : readOptions(argv, await readConfigFile(flags.config));
    const log = createLogger({ level: values.logLevel, format: values.logFormat });
    await serve(values, life, log.child({ part: 'executor' }), wasmCommand);
    return 0;
  } catch (error) {
    const { exitCode, message } = error as { exitCode?: unknown; message: string };
    if (typeof exitCode !== 'number') throw error;
    process.stderr.write(`lab-executor: ${message}\n`);
    return exitCode;
  }
}
