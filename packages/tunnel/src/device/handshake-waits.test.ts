import { describe, expect, test } from 'bun:test';
import type { PeerState } from '@labmesh/wireguard/tunnel-device';
import { HandshakeWaits } from './handshake-waits.ts';

const wall = 1_700_000_000_000;
const [v4, v6] = [
  { address: '192.0.2.1', port: 51_820 },
  { address: '2001:db8::1', port: 51_820 },
];
const state = (txBytes: number, change: Partial<PeerState> = {}) =>
  ({ endpoint: v4, txBytes, lastHandshakeMs: undefined, ...change }) as PeerState;
const at = (ms: number) => ({ mono: ms, wall: wall + ms });

describe('a handshake that does not come', () => {
  test('is told once, after 30 s, with the addresses and bytes of the wait', () => {
    const waits = new HandshakeWaits();
    expect(waits.look('hub', state(1_000), at(0))).toBeUndefined();
    expect(waits.look('hub', state(1_148, { endpoint: v6 }), at(15_000))).toBeUndefined();
    expect(waits.told('hub')).toBeUndefined();
    expect(waits.look('hub', state(1_888), at(30_000))).toMatchObject({ places: [v4, v6], bytes: 888 });
    expect(waits.look('hub', state(2_000), at(60_000))).toBeUndefined();
    expect(waits.told('hub')).toMatchObject({ bytes: 1_000 });
  });

  test('is forgotten with the first that comes, and when none is expected any more', () => {
    const waits = new HandshakeWaits();
    const overdue = (from: number) => [0, 30_000].map((ms) => waits.look('hub', state(0), at(from + ms)))[1];
    expect(overdue(0)).toBeDefined();
    waits.look('hub', state(0, { lastHandshakeMs: wall + 30_000 }), at(31_000));
    expect(waits.told('hub')).toBeUndefined();
    // A session that has lived its time is none.
    expect(overdue(300_000)).toBeDefined();
    waits.look('hub', undefined, at(340_000));
    expect(waits.told('hub')).toBeUndefined();
    expect(waits.look('hub', state(0), at(341_000))).toBeUndefined();
  });

  test('a cut starts the counts of the device anew', () => {
    const waits = new HandshakeWaits();
    waits.look('hub', state(5_000), at(0));
    waits.look('hub', state(0), at(10_000));
    expect(waits.look('hub', state(296), at(30_000))).toMatchObject({ bytes: 296 });
  });
});
