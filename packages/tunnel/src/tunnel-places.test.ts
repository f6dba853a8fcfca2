/** A peer that is dialled elsewhere stays the peer that it is (N2, Q4, Q6). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { Endpoint } from '@labmesh/rosenpass/effects';
import { keepPublicKey } from './keys/public-key-files.ts';
import { exchangeChange, isSameDevicePeer, isSameExchange } from './same-peer.ts';
import { tunnelEnd } from './testing/tunnel-end.ts';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

type End = Awaited<ReturnType<typeof tunnelEnd>>;
const [v6, v4] = ['2001:db8::1', '192.0.2.1'].map((address) => ({ address, port: 9_999 })) as [Endpoint, Endpoint];
const clock = new FakeClock();
const sent: string[] = [];
let node: End;
let fingerprint: string;

const hubAt = (endpoint: Endpoint | undefined, mode: 'strict' | 'permissive' = 'strict'): TunnelPeerSettings => ({
  id: 'hub',
  name: 'hub',
  wireguardPublicKey: new Uint8Array(32).fill(7),
  address: '10.90.0.1',
  endpoint,
  keepaliveS: 25,
  mode,
  fallbackAfterMs: 60_000,
  rosenpass: { fingerprint, endpoint, schedule: 'node', version: 'V03', ciphertext: 'pc188' },
});
async function until(holds: () => boolean) {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 1_000) throw new Error('it did not come to pass within 10 s');
    await Bun.sleep(10);
  }
}
const held = () => node.device.held.values().next().value;
const forget = (): Promise<void> => node.tunnel.removePeer('hub');

beforeAll(async () => {
  node = await tunnelEnd({ kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8_080 }, '10.90.0.2', { clock });
  const hub = await node.makeKey(1);
  fingerprint = keepPublicKey(node.keysDir, hub.publicKey);
  node.tunnel.start({ send: ({ address }) => void sent.push(address) });
});
afterAll(() => node[Symbol.asyncDispose]());

describe('a hub whose addresses are tried in turn', () => {
  test('is moved in the device, and what waits for an answer is sent to each address at once', async () => {
    await node.tunnel.setPeer(hubAt(v6));
    await until(() => sent.length > 0);
    const before = held();
    const psk = before?.presharedKey.slice();
    for (const place of [v4, v6, v4]) {
      await node.tunnel.setPeer(hubAt(place));
      expect(sent.at(-1)).toBe(place.address);
      expect(held()?.endpoint).toEqual(place);
    }
    expect(held()).toBe(before as NonNullable<typeof before>);
    expect(held()?.presharedKey).toEqual(psk as Uint8Array);
    expect(node.device.cuts).toBe(0);
    await clock.advance(4_000);
    expect(node.tunnel.unansweredMs('hub')).toBe(4_000);
    expect(node.tunnel.unansweredMs('nobody')).toBe(0);
    await clock.advance(26_000);
    const tried = 'no answer for 30 s; tried [2001:db8::1]:9999, 192.0.2.1:9999;';
    const timeout = node.events.find((one) => one.event === 'exchange_timeout');
    expect(timeout?.detail).toStartWith(`ROSENPASS_TIMEOUT: ${tried}`);
    expect(timeout?.detail).toMatch(/; \d{4,} bytes sent; is UDP 9999 open at the hub\?$/);
    expect(node.tunnel.peer('hub')?.lastError).toContain(tried);
    await forget();
  });

  test('stays where it was while its name has no address', async () => {
    await node.tunnel.setPeer(hubAt(v4));
    await node.tunnel.setPeer(hubAt(undefined));
    expect(held()?.endpoint).toEqual(v4);
    await forget();
  });

  test('a permissive link falls back in its time, once, and is begun anew as it is (Q6)', async () => {
    node.events.length = 0;
    await node.tunnel.setPeer(hubAt(v6, 'permissive'));
    const names = () => node.events.map(({ event }) => event);
    for (let n = 1; n < 30; n++) {
      await clock.advance(2_000);
      await node.tunnel.setPeer(hubAt([v6, v4][n % 2], 'permissive'));
    }
    expect(names()).not.toContain('pq_fallback');
    for (let n = 0; n < 10; n++) {
      await clock.advance(2_000);
      await node.tunnel.setPeer(hubAt([v6, v4][n % 2], 'permissive'));
    }
    await until(() => names().includes('pq_fallback'));
    expect(node.tunnel.peer('hub')).toMatchObject({ pq: 'off', pqReason: 'permissive_fallback', pskKind: 'none' });
    await node.tunnel.renew('hub');
    expect(held()?.presharedKey).toEqual(new Uint8Array(32));
    expect(names().filter((name) => name === 'pq_fallback')).toHaveLength(1);
    expect(names()).not.toContain('handshake_timeout');
    await clock.advance(35_000);
    const timeout = node.events.find((one) => one.event === 'handshake_timeout');
    expect(timeout?.detail).toStartWith('WIREGUARD_TIMEOUT: no handshake for 30 s; tried');
    expect(node.tunnel.peer('hub')?.lastError).toStartWith('ROSENPASS_TIMEOUT');
    await forget();
  });
});

describe('settings of a peer that is there', () => {
  test('its place may change in the device, its key and address may not', () => {
    const old = hubAt(v6);
    expect(isSameDevicePeer(old, hubAt(v4))).toBe(true);
    expect(isSameDevicePeer(old, { ...old, address: '10.90.0.9' })).toBe(false);
    expect(isSameDevicePeer(old, { ...old, wireguardPublicKey: new Uint8Array(32) })).toBe(false);
  });

  test('its exchange goes on at another place, not with another key', () => {
    const old = hubAt(v6);
    expect(isSameExchange(old, hubAt(v4))).toBe(true);
    const other = { ...hubAt(v6).rosenpass, fingerprint: 'sha256:0' } as TunnelPeerSettings['rosenpass'];
    expect(isSameExchange(old, { ...old, rosenpass: other })).toBe(false);
    const shared = { ...hubAt(v6).rosenpass, presharedKey: new Uint8Array(32) } as TunnelPeerSettings['rosenpass'];
    expect(isSameExchange(old, { ...old, rosenpass: shared })).toBe(false);
  });

  test('the exchange is told a place only when it is another one than before, and not where it is already', () => {
    const spoken = { version: 'V03', ciphertext: 'pc188' } as const;
    expect(exchangeChange(hubAt(v6), hubAt(v6), v4)).toEqual(spoken);
    expect(exchangeChange(hubAt(v6), hubAt(v4), v4)).toEqual(spoken);
    expect(exchangeChange(hubAt(v6), hubAt(undefined), v6)).toEqual(spoken);
    expect(exchangeChange(hubAt(v6), hubAt(v4), v6)).toEqual({ ...spoken, endpoint: v4 });
    expect(exchangeChange(hubAt(v6), { ...hubAt(v4), rosenpass: undefined }, v6)).toBeUndefined();
  });
});
