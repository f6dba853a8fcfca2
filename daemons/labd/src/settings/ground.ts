/** What stands before the database is there: the data folder, this replica's id, and the addresses we go by. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { storePlace } from '@labmesh/store/store-url';
import { uuidv7 } from '@labmesh/wire/ids';
import { type AddressRange, parseAddressRange } from './address-range.ts';
import { checkValues, isReplicaId } from './check-values.ts';
import { type CollectorSettings, collectorSettings } from './collector-settings.ts';
import type { LabdOptions } from './labd-options.ts';
import { wrongSetting as wrong } from './wrong-setting.ts';

export type Address = { host: string; port: number };

const loopback = /^(127\.|localhost$|\[?::1\]?$)/;

/** `127.0.0.1:3100`, `[::1]:3100`. @throws OptionsError (exit 3). */
export function parseAddress(text: string, key: string): Address {
  const [, host, port] = /^(\[[0-9a-f:]+\]|[^:\s]+):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw wrong(key, `expected an address such as 127.0.0.1:3100, found "${text}"`);
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

export const addressText = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** How labd is reached: by people, by agents, by other replicas, by nodes (undefined: not at all). */
export type Urls = { api: string; agent: string; peer: string | undefined; node: string | undefined };

export type Ground = {
  dataDir: string;
  replicaId: string;
  databaseUrl: string;
  api: Address;
  agent: Address;
  /** Undefined: no nodes here. */
  node: Address | undefined;
  /** Tunnel addresses. */
  range: AddressRange;
  metrics: Address | undefined;
  /** Undefined: logs of agents go nowhere. */
  collector: CollectorSettings | undefined;
};

function replicaIdOf(options: LabdOptions): string {
  if (options.replicaId !== undefined) return options.replicaId;
  const path = join(options.dataDir, 'replica-id');
  const kept = readPrivateFile(path)?.trim();
  if (kept !== undefined && isReplicaId(kept)) return kept;
  const made = uuidv7();
  writePrivateFile(path, `${made}\n`);
  return made;
}

/** Whoever joins is told an address: a loopback one is its own, another one has to be said. @throws OptionsError. */
function checkReach(key: string, { host }: Address, url: string | undefined, who: string): void {
  if (loopback.test(host) || url !== undefined) return;
  throw wrong(key, `is needed when labd listens on ${host}: ${who} name it`);
}

function checkUrl(key: string, url: string | undefined): void {
  if (url === undefined || (URL.canParse(url) && new URL(url).protocol === 'https:')) return;
  throw wrong(key, `expected an https:// address, found "${url}"`);
}

/** What nodes need. @throws OptionsError. */
function nodeGround(options: LabdOptions): Pick<Ground, 'node' | 'range'> {
  const { conplaneListen: listen, conplaneUrl: url } = options;
  const node = listen === '' ? undefined : parseAddress(listen, 'conplane.listen');
  if (node !== undefined) checkReach('conplane.url', node, url, 'onboarding strings');
  checkUrl('conplane.url', url);
  const range = parseAddressRange(options.conplaneRange);
  if (range === undefined)
    throw wrong(
      'conplane.range',
      `expected an IPv4 network of /8 to /30 such as 10.90.0.0/16, found "${options.conplaneRange}"`,
    );
  return { node, range };
}

/** Settles the addresses; writes nothing. @throws OptionsError, StoreStartError (exit 3) for what cannot work. */
export function planGround(options: LabdOptions): Omit<Ground, 'replicaId'> {
  const listen = parseAddress(options.listen, 'labd.listen');
  const api = options.port === undefined ? listen : { ...listen, port: options.port };
  const agent = parseAddress(options.agentListen, 'labd.agent_listen');
  checkReach('labd.public_url', api, options.publicUrl, 'join commands');
  checkReach('labd.agent_url', agent, options.agentUrl, 'join commands');
  checkUrl('labd.public_url', options.publicUrl);
  checkUrl('labd.agent_url', options.agentUrl);
  checkUrl('labd.peer_url', options.peerUrl);
  checkValues(options);
  const metrics = options.metricsListen === '' ? undefined : parseAddress(options.metricsListen, 'labd.metrics_listen');
  const { dataDir } = options;
  const databaseUrl = options.databaseUrl ?? `sqlite://${join(resolve(dataDir), 'labd.db')}`;
  storePlace(databaseUrl);
  const addresses = { api, agent, ...nodeGround(options), metrics };
  return { dataDir, databaseUrl, ...addresses, collector: collectorSettings(options) };
}

/** The same with the data folder made and the replica's id in it. @throws as `planGround` */
export function layGround(options: LabdOptions): Ground {
  const plan = planGround(options);
  try {
    mkdirSync(plan.dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = (error as { code?: string }).code ?? 'unknown';
    throw wrong('labd.data_dir', `${plan.dataDir} cannot be made (${code})`);
  }
  return { ...plan, replicaId: replicaIdOf(options) };
}
