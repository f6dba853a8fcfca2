/** What stands before the database is there: the data folder, this replica's id, and the addresses we go by. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { OptionsError } from '@labmesh/kit/options';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import { uuidv7 } from '@labmesh/wire/ids';
import { type AddressRange, parseAddressRange } from './address-range.ts';
import { type CollectorSettings, collectorSettings } from './collector-settings.ts';
import type { LabdOptions } from './labd-options.ts';

export type Address = { host: string; port: number };

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const loopback = /^(127\.|localhost$|\[?::1\]?$)/;

/** `127.0.0.1:3100`, `[::1]:3100`. @throws OptionsError (exit 3). */
export function parseAddress(text: string, key: string): Address {
  const [, host, port] = /^(\[[0-9a-f:]+\]|[^:\s]+):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new OptionsError(
      { source: key, key, exitCode: 3 },
      `expected an address such as 127.0.0.1:3100, found "${text}"`,
    );
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
  if (options.replicaId !== undefined) {
    if (uuidPattern.test(options.replicaId)) return options.replicaId;
    throw new OptionsError({ source: 'labd.replica_id', key: 'labd.replica_id', exitCode: 3 }, 'expected a uuid');
  }
  const path = join(options.dataDir, 'replica-id');
  const kept = readPrivateFile(path)?.trim();
  if (kept !== undefined && uuidPattern.test(kept)) return kept;
  const made = uuidv7();
  writePrivateFile(path, `${made}\n`);
  return made;
}

const wrong = (key: string, message: string) => new OptionsError({ source: key, key, exitCode: 3 }, message);

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
  const { conplaneListen: listen, conplaneUrl: url, conplaneTlsCert: cert, conplaneTlsKey: key } = options;
  const node = listen === '' ? undefined : parseAddress(listen, 'conplane.listen');
  if (node !== undefined) checkReach('conplane.url', node, url, 'onboarding strings');
  checkUrl('conplane.url', url);
  if ((cert === undefined) !== (key === undefined))
    throw wrong('conplane.tls_cert', 'goes with conplane.tls_key: both, or neither');
  const range = parseAddressRange(options.conplaneRange);
  if (range === undefined)
    throw wrong(
      'conplane.range',
      `expected an IPv4 network of /8 to /30 such as 10.90.0.0/16, found "${options.conplaneRange}"`,
    );
  return { node, range };
}

/** Both ends of a link must agree on it before the first frame (HB-2): a labd of its own mind would cut its agents. */
function checkFrames({ frameBytesMax }: LabdOptions): void {
  if (frameBytesMax !== frameLimits.payloadBytesMax)
    throw wrong('hub.frame_max', 'is 64KiB in this protocol; leave it out');
}

/** Makes the folder and settles the addresses. @throws OptionsError for settings that cannot work. */
export function layGround(options: LabdOptions): Ground {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const listen = parseAddress(options.listen, 'labd.listen');
  const api = options.port === undefined ? listen : { ...listen, port: options.port };
  const agent = parseAddress(options.agentListen, 'labd.agent_listen');
  checkReach('labd.public_url', api, options.publicUrl, 'join commands');
  checkReach('labd.agent_url', agent, options.agentUrl, 'join commands');
  checkUrl('labd.public_url', options.publicUrl);
  checkUrl('labd.agent_url', options.agentUrl);
  checkUrl('labd.peer_url', options.peerUrl);
  checkFrames(options);
  const metrics = options.metricsListen === '' ? undefined : parseAddress(options.metricsListen, 'labd.metrics_listen');
  const databaseUrl = options.databaseUrl ?? `sqlite://${join(options.dataDir, 'labd.db')}`;
  const addresses = { api, agent, ...nodeGround(options), metrics };
  const collector = collectorSettings(options);
  return { dataDir: options.dataDir, replicaId: replicaIdOf(options), databaseUrl, ...addresses, collector };
}
