/** The program `lab-arena`: the arena in a process of its own, on the gateway's machine or another. */
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { resolve, join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { readConfigFile } from '@labmesh/kit/config-file';
import { createLogger, type Logger } from '@labmesh/kit/log';
import { renderHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { executorClient } from '@labmesh/link/calls/executor-client';
import { awaitStore } from '@labmesh/store/open-store';
import manifest from '../package.json' with { type: 'json' };
import {
  addressOf,
  arenaDaemonHelp,
  type ArenaDaemonOptions,
  arenaDaemonOptions,
  gatewayUrlOf,
  readToken,
} from './arena-daemon-options.ts';
import { type ArenaSettings, readDaemonSettings } from './arena-settings.ts';
import { openArena } from './arena.ts';

const { version } = manifest;

/** Keys lie there: its owner alone may look in. */
function openFolder(path: string): string {
  const folder = resolve(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
  return folder;
}

async function serve(values: ArenaDaemonOptions, settings: ArenaSettings, life: Life, log: Logger): Promise<void> {
  // What is wrong with the settings is told before anything is made.
  const [address, gatewayUrl, token] = [addressOf(values), gatewayUrlOf(values), readToken(values)];
  const gatewayCa = values.gatewayCaFile === undefined ? undefined : readFileSync(values.gatewayCaFile, 'utf8');
  const dataDir = openFolder(values.dataDir);
  const url = values.databaseUrl ?? `sqlite://${join(dataDir, 'arena.db')}`;
  await using store = await awaitStore({ url, log: log.child({ part: 'store' }) }, life.signal);
  await using arena = await openArena({
    dataDir,
    address,
    token,
    gatewayUrl,
    ...(gatewayCa !== undefined && { gatewayCa }),
    runner: executorClient({ socketPath: values.executorSocket }),
    store,
    settings,
    clock: systemClock,
    log,
  });
  const where = 'socketPath' in address ? { socket: address.socketPath } : { host: address.host, port: arena.port };
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, ...where })}\n`);
  log.info('the arena is ready', { ...where, gateway: gatewayUrl, store: store.engine });
  await life.stopped;
  log.info('the arena ends', arena.runs.stats());
}

/** Faults of a start that the operator mends, by their codes. */
const exitOf: Readonly<Record<string, number>> = {
  KEY_BAD: 78,
  KMS_AWAY: 75,
  KMS_BAD_ANSWER: 78,
  KMS_REFUSED: 78,
  LOG_LOCKED: 8,
  SUITE_UNREADABLE: 3,
};

function failure(error: unknown): { exitCode: number; message: string; hint?: string } | undefined {
  const { exitCode, code, message, hint } = error as {
    exitCode?: unknown;
    code?: unknown;
    message: string;
    hint?: string;
  };
  const found = typeof exitCode === 'number' ? exitCode : typeof code === 'string' ? exitOf[code] : undefined;
  return found === undefined ? undefined : { exitCode: found, message, ...(hint !== undefined && { hint }) };
}

/**
 * Runs the arena. Gives the exit code: 0 ok, 1 run time, 2 usage, 3 settings, 8 socket or log that is another's, 75
 * database in use or a key service that does not answer, 78 database of a newer version, or signing keys that do not open or
 * are refused.
 */
export async function arenaMain(argv: string[], life: Life): Promise<number> {
  try {
    const { values: flags } = readDaemonSettings(undefined, { argv, env: process.env });
    if (flags.help) process.stdout.write(renderHelp(arenaDaemonOptions, arenaDaemonHelp));
    else if (flags.version) process.stdout.write(`lab-arena ${version}\n`);
    if (flags.help || flags.version) return 0;
    const file = flags.config === undefined ? undefined : await readConfigFile(flags.config);
    const { values, settings } = readDaemonSettings(file, { argv, env: process.env });
    const log = createLogger({ level: values.logLevel, format: values.logFormat });
    await serve(values, settings, life, log.child({ part: 'arena' }));
    return 0;
  } catch (error) {
    const known = failure(error);
    if (known === undefined) throw error;
    process.stderr.write(`lab-arena: ${known.message}${known.hint === undefined ? '' : `\nhint: ${known.hint}`}\n`);
    return known.exitCode;
  }
}
