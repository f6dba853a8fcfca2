/** One end of a tunnel for tests: real key exchange over loopback, real thread, a device in memory. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openSuites } from '@labmesh/rosenpass/hash/suite';
import { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import type { DeviceRole } from '@labmesh/wireguard/tunnel-device';
import { keepPublicKey } from '../keys/public-key-files.ts';
import type { OwnPair } from '../keys/tunnel-keys.ts';
import { StepPool } from '../steps/step-pool.ts';
import { Tunnel } from '../tunnel.ts';
import { generateWireguardKeys } from '../keys/wireguard-keys.ts';
import { PairedDevice } from './paired-device.ts';

type TunnelEvent = Parameters<ConstructorParameters<typeof Tunnel>[0]['onEvent']>[0];

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

type EndOptions = { clock?: Clock; onEvent?: (event: TunnelEvent) => void };

export async function tunnelEnd(role: DeviceRole, address: string, options: EndOptions = {}) {
  const { clock = systemClock } = options;
  const keysDir = mkdtempSync(join(tmpdir(), 'labmesh-tunnel-'));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(keysDir, { recursive: true, force: true }));
  const pool = stack.use(new StepPool({ workers: 1, keysDir, cacheBytes: 2 ** 21, log: silentLogger }));
  /** A pair of its own, held by its thread. */
  const makeKey = async (index: number): Promise<OwnPair> => {
    const { secretKey, publicKey } = await pool.generate();
    const fingerprint = keepPublicKey(keysDir, publicKey);
    pool.setOwnKey(index, () => ({ secretKey: secretKey.slice(), publicKey: publicKey.slice() }));
    const described = await pool.run({ step: 'describe', peerKey: fingerprint });
    if (described.step !== 'describe') throw new Error('the own key is not there');
    return { index, fingerprint, prefixes: described.prefixes, publicKey };
  };
  const ownKey = await makeKey(0);
  const wireguard = generateWireguardKeys();
  const config = {
    name: 'test0',
    alias: 'labmesh:test',
    role,
    address,
    range: '10.90.0.0/16',
    mtu: 1_420,
    privateKey: wireguard.privateKey,
    isolation: 'none' as const,
  };
  const device = new PairedDevice(config, wireguard.publicKey);
  const suites = await openSuites();
  const exchange = new KeyExchange({ suites, random, workers: 1, cookie: 'auto' }, clock.now());
  const events: TunnelEvent[] = [];
  const onEvent = (event: TunnelEvent) => {
    events.push(event);
    options.onEvent?.(event);
  };
  const parts = { device, exchange, pool, ownKey, clock, log: silentLogger, random, onEvent };
  const tunnel = stack.use(new Tunnel(parts));
  return {
    tunnel,
    device,
    events,
    fingerprint: ownKey.fingerprint,
    keysDir,
    wireguard,
    makeKey,
    rosenpassPublicKey: ownKey.publicKey,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
