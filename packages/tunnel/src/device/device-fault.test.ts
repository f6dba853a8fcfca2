import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { MemoryDevice, MemoryNetwork } from '@labmesh/wireguard/devices/memory-device';
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import type { DeviceEvent } from '@labmesh/wireguard/tunnel-device';
import type { ChosenDevice } from '../choose-device.ts';
import { DeviceFault } from './device-fault.ts';
import { TunnelKeys } from '../keys/tunnel-keys.ts';
import { OpenTunnel } from '../open-tunnel.ts';

test('lost isolation stands until it is restored, a change that was put right never does; no peer is shown post-quantum meanwhile', async () => {
  let tell = (_: DeviceEvent): void => undefined;
  let ended = false;
  const clock = new FakeClock();
  const active = { pq: 'active', pqReason: 'ok', pqSince: new Date(0).toISOString(), generation: 3 } as TunnelPeer;
  const off = { ...active, pq: 'off', pqReason: 'no_key' } as TunnelPeer;
  const fault = new DeviceFault(
    {
      watch(listener, signal) {
        tell = listener;
        signal.addEventListener('abort', () => (ended = true));
      },
    },
    clock,
  );
  tell({ kind: 'changed', what: 'mtu', detail: 'MTU 9000', restored: true });
  expect(fault.text).toBeUndefined();
  expect([fault.shown(active), fault.shown(off)]).toEqual([active, off]);
  const pqSince = new Date(clock.wall()).toISOString();
  tell({ kind: 'isolation_lost', detail: 'more than 3 repairs within a minute' });
  expect(fault.text).toBe('isolation_lost: more than 3 repairs within a minute');
  tell({ kind: 'changed', what: 'link', detail: 'down', restored: false });
  expect(fault.text).toStartWith('isolation_lost');
  // Since it began, whatever is told later.
  await clock.advance(5_000);
  tell({ kind: 'isolation_lost', detail: 'and once more' });
  const down: TunnelPeer = { ...active, pq: 'stale', pqReason: 'no_session', pqSince };
  expect([fault.shown(active), fault.shown(off)]).toEqual([down, off]);
  tell({ kind: 'isolation_restored' });
  expect(fault.text).toBeUndefined();
  expect(fault.shown(active)).toBe(active);
  tell({ kind: 'gone' });
  expect(fault.text).toBe('the interface is gone');
  fault[Symbol.dispose]();
  expect(ended).toBe(true);
});

test('an open tunnel shows it, in its view', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-fault-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string) => ({ privateKeyPath: join(folder, name), publicKeyPath: join(folder, `${name}.pub`) });
  const log = silentLogger;
  const ground = { wireguard: at('wg'), rosenpass: at('pq'), keysDir: join(folder, 'keys') };
  const keys = stack.use(await TunnelKeys.open({ ...ground, workers: 1, cacheBytes: 0, log }));
  const config = {
    name: 'test0',
    alias: 'labmesh:test',
    role: { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8_080 },
    address: '10.90.0.2',
    range: '10.90.0.0/16',
    mtu: 1_420,
    privateKey: keys.wireguard.privateKey,
    isolation: 'none',
  } as const;
  const device = new MemoryDevice(config, new MemoryNetwork(() => 0));
  const leave = () => device[Symbol.asyncDispose]();
  const chosen = {
    device: Object.assign(device, { leave, isolationDetail: '' }),
    rejected: [],
    queue: () => undefined,
  };
  const options = { keys, cookie: 'auto', clock: new FakeClock(), log, onEvent: () => undefined } as const;
  const end = stack.use(await OpenTunnel.open({ ...options, chosen: chosen as unknown as ChosenDevice }));
  expect(end.view().fault).toBeUndefined();
  device.tell({ kind: 'isolation_lost', detail: 'an address was added' });
  expect(end.view().fault).toBe('isolation_lost: an address was added');
  device.tell({ kind: 'isolation_restored' });
  expect(end.view()).not.toHaveProperty('fault');
}, 60_000);
