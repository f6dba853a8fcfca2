/**
 * labd's API in this process, over a real core and store, without TLS: a call comes from any door, any address and any
 * certificate that the test says was verified.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { Metrics } from '@labmesh/kit/metrics';
import { parseOptions } from '@labmesh/kit/options';
import { openStore } from '@labmesh/store/open-store';
import type { ListenerName, Peer } from '../../daemons/labd/src/api/connection.ts';
import { LoopDelay } from '../../daemons/labd/src/api/loop-delay.ts';
import { allowedHosts } from '../../daemons/labd/src/api/request-guard.ts';
import { type Core, openCore } from '../../daemons/labd/src/core.ts';
import { openHouse } from '../../daemons/labd/src/house.ts';
import { layGround } from '../../daemons/labd/src/settings/ground.ts';
import { labdOptions, type LabdOptions } from '../../daemons/labd/src/settings/labd-options.ts';

const urls = {
  api: 'https://127.0.0.1:3100',
  agent: 'https://127.0.0.1:3101',
  peer: undefined,
  node: 'https://127.0.0.1:3102',
};

type PeerIdentity = Extract<Peer, { state: 'known' }>['identity'];
export type From = { door?: ListenerName; address?: string; peer?: Peer };
/** `body`: the parsed JSON, whatever it is; undefined when the answer is none. */
export type Asked = { status: number; headers: Headers; text: string; body: ReturnType<typeof JSON.parse> };
export type Ask = { headers?: Record<string, string>; json?: unknown; body?: RequestInit['body'] };

export interface LabdApp extends AsyncDisposable {
  readonly core: Core;
  /** Lines of the log so far. */
  readonly log: string[];
  /** `from`: the admin socket when absent. */
  call(method: string, path: string, ask?: Ask, from?: From): Promise<Asked>;
  stop(): void;
}

/** A peer as the listener saw it; never checked here. */
export const knownPeer = (kind: PeerIdentity['kind'], id: string, more: Partial<PeerIdentity> = {}): Peer => ({
  state: 'known',
  identity: {
    uri: `spiffe://labmesh.internal/${kind}/${id}`,
    trustDomain: 'labmesh.internal',
    kind,
    id,
    serial: '40'.repeat(16),
    keyHash: 'ab'.repeat(32),
    issuerKey: 'cd'.repeat(32),
    notBefore: Date.now() - 60_000,
    notAfter: Date.now() + 3_600_000,
    isExpired: false,
    ...more,
  },
});

/** A stranger on the API's door, each time from another address unless one is given. */
export const stranger = (address = '192.0.2.1'): From => ({ door: 'api', address, peer: { state: 'none' } });

export async function openLabdApp(settings: Partial<LabdOptions> = {}): Promise<LabdApp> {
  const dataDir = mkdtempSync(join(tmpdir(), 'labmesh-app-'));
  await using opening = new AsyncDisposableStack();
  opening.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const { values } = parseOptions(labdOptions, { argv: [], env: {} });
  const options = { ...values, dataDir, ...settings };
  const ground = layGround(options);
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => void lines.push(line) });
  const clock = systemClock;
  const store = opening.use(await openStore({ url: 'sqlite::memory:', log, clock }));
  const identity = () => ({ keyPem: '', certPem: '', bundlePem: '' });
  const metrics = new Metrics('labmesh_labd_');
  const core = opening.use(
    await openCore({ options, ground, urls, identity, store, version: '0.0.0', metrics, clock, log }),
  );
  const loopDelay = opening.use(new LoopDelay());
  let isStopping = false;
  const guard = { hosts: allowedHosts([urls.api, urls.agent]), origins: options.allowedOrigins };
  const parts = { core, options, guard, version: '0.0.0', loopDelay, log, clock, isStopping: () => isStopping };
  const house = openHouse(parts);
  const opened = opening.move();
  return {
    core,
    log: lines,
    async call(method, path, { headers = {}, json, body } = {}, from = { door: 'socket' }) {
      const { door = 'api', address = '192.0.2.1', peer = { state: 'none' } } = from;
      const content = json === undefined ? body : JSON.stringify(json);
      const request = new Request(`https://127.0.0.1:3100${path}`, {
        method,
        headers: {
          host: '127.0.0.1:3100',
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(content !== undefined && { body: content }),
      });
      const connection = { listener: door, remoteAddress: door === 'socket' ? 'local' : address, peer };
      const response = await (door === 'node' ? house.nodes : house.fetch)(request, { connection });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.startsWith('application/json') === true && text !== '';
      return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
    },
    stop: () => void (isStopping = true),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
