/**
 * labd inside `labctl up` (LD-1): on the store of the whole process, with its folder and its admin socket in the data
 * folder unless the settings say otherwise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Core } from '@labmesh/labd/core';
import { Labd } from '@labmesh/labd/labd';
import { serveMetrics } from '@labmesh/labd/metrics';
import { parseAddress } from '@labmesh/labd/settings/ground';
import type { LabdOptions } from '@labmesh/labd/settings/labd-options';
import type { Store } from '@labmesh/store/store';
import { CommandError } from '../../command-error.ts';
import { productVersion } from '../../product-version.ts';
import type { FleetSettings } from './fleet-settings.ts';
import { listenAddresses } from './listen-addresses.ts';

export type OwnLabdInput = {
  dataDir: string;
  settings: FleetSettings;
  /** `--port 0`: free ports here too. */
  anyPort: boolean;
  store: Store;
  log: Logger;
};

export type OwnLabd = {
  labd: Labd;
  core: Core;
  /** As this machine reaches them, `https://127.0.0.1:3100`. */
  api: string;
  agents: string;
  adminSocket: string;
  notes: readonly string[];
};

/** Longest path of a unix socket, bytes (sun_path less its end). */
const socketPathMax = 107;

/** In the data folder, which is its owner's alone; where that lies too deep, in a folder of its own. */
function socketPath(dataDir: string, stack: AsyncDisposableStack): string {
  const path = join(dataDir, 'labd.sock');
  if (Buffer.byteLength(path) <= socketPathMax) return path;
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'labd.sock');
}

async function optionsFor(input: OwnLabdInput, stack: AsyncDisposableStack) {
  const { dataDir, settings, anyPort } = input;
  const { labd, isSet } = settings;
  const { listen, agentListen, nodeListen, notes } = await listenAddresses(settings, anyPort);
  const options: LabdOptions = {
    ...labd,
    listen,
    agentListen,
    conplaneListen: nodeListen,
    port: undefined,
    dataDir: isSet('dataDir') ? labd.dataDir : join(dataDir, 'labd'),
    adminSocket: isSet('adminSocket') ? labd.adminSocket : socketPath(dataDir, stack),
    metricsListen: isSet('metricsListen') ? labd.metricsListen : '',
  };
  return { options, notes };
}

/** From this machine: by loopback where labd listens there, whatever name others know it by. */
function reach(url: string, listen: string, key: string): string {
  const { host, port } = parseAddress(listen, key);
  const isLocal = ['0.0.0.0', '::', '127.0.0.1', '::1'].includes(host);
  if (!isLocal || port === 0) return url;
  return `https://${host.includes(':') ? '[::1]' : '127.0.0.1'}:${port}`;
}

/** What keeps labd from standing has its exit code; the way out is always the same. */
function refused(error: unknown): unknown {
  const { exitCode, hint, code, message } = error as NodeJS.ErrnoException & { exitCode?: unknown; hint?: string };
  const way = 'labctl up --no-fleet starts without labd and agent';
  if (typeof exitCode === 'number' && !(error instanceof CommandError)) {
    return new CommandError(message, { hint: hint === undefined ? way : `${hint}; ${way}`, exitCode, cause: error });
  }
  if (code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  return new CommandError(`labd cannot listen: ${message}`, { hint: way, cause: error });
}

/** Starts it and waits until its API serves. @throws CommandError, OptionsError */
export async function openLabd(input: OwnLabdInput, stack: AsyncDisposableStack): Promise<OwnLabd> {
  const { options, notes } = await optionsFor(input, stack);
  const log = input.log.child({ part: 'labd' });
  try {
    const labd = stack.use(
      await Labd.start(options, { clock: systemClock, log, version: productVersion, store: input.store }),
    );
    const core = await labd.ready;
    stack.use(await serveMetrics(labd));
    const { api, agent } = labd.urls;
    return {
      labd,
      core,
      api: reach(api, options.listen, 'labd.listen'),
      agents: reach(agent, options.agentListen, 'labd.agent_listen'),
      adminSocket: options.adminSocket,
      notes,
    };
  } catch (error) {
    throw refused(error);
  }
}
