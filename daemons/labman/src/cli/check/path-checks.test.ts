import { afterEach, describe, expect, test } from 'bun:test';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import type { HubPlace } from '../../tunnel/hub-peer.ts';
import { pathChecks } from './path-checks.ts';
import type { RunningNode } from './running-node.ts';

const sockets: Bun.udp.Socket<'buffer'>[] = [];
afterEach(() => sockets.splice(0).forEach((socket) => socket.close()));

async function listening(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: '127.0.0.1' });
  sockets.push(socket);
  return socket.port;
}
const place = (port: number, rosenpassPort = port): HubPlace => ({
  address: '10.90.0.2',
  hubAddress: '10.90.0.1',
  wireguard: { host: '127.0.0.1', port },
  rosenpass: { host: '127.0.0.1', port: rosenpassPort },
});
const hub = (handshakeAgeS: number | null) => ({ handshakeAgeS, endpoint: '127.0.0.1:51820' }) as TunnelPeer;
/** A labmand whose exchanges and handshakes are as told. */
function node(handshakes: readonly (number | null)[], error?: string): RunningNode {
  let looks = 0;
  return {
    registration: null,
    tunnel: { isOpen: true, fault: null },
    view: {} as TunnelView,
    exchange: () => Promise.resolve({ tookMs: 40, error }),
    hub: () => Promise.resolve(hub(handshakes[Math.min(looks++, handshakes.length - 1)] ?? null)),
  };
}
const byName = async (ground: Parameters<typeof pathChecks>[0]) =>
  Object.fromEntries(
    (await pathChecks(ground)).map(({ name, result, detail, fix }) => [name, { result, detail, fix }]),
  );

describe('with a labmand that runs', () => {
  test('an exchange and a handshake prove both ports', async () => {
    const found = await byName({ place: place(await listening()), mtu: 1_420, node: node([7]) });
    expect(found).toMatchObject({
      'Rosenpass UDP': { result: 'pass', detail: expect.stringContaining('answered in 40 ms') },
      'WireGuard UDP': { result: 'pass', detail: '127.0.0.1:51820: handshake 7 s ago' },
      MTU: { result: 'pass', detail: expect.stringContaining('1484 bytes') },
    });
  });

  test('a handshake that is on its way is waited for', async () => {
    const found = await byName({ place: place(await listening()), mtu: 1_420, node: node([null, 300, 0]) });
    expect(found['WireGuard UDP']).toMatchObject({ result: 'pass' });
  });

  test('without an exchange its port is at fault, and WireGuard’s cannot be judged', async () => {
    const ground = { place: place(await listening(), 9_999), mtu: 1_420 };
    const silent = await byName({
      ...ground,
      node: node([null], 'ROSENPASS_TIMEOUT: no answer within 10 s; is it open?'),
    });
    expect(silent).toMatchObject({
      'Rosenpass UDP': { result: 'fail', fix: expect.stringContaining('open UDP 9999 at the hub') },
      'WireGuard UDP': { result: 'unknown' },
    });
    expect(silent['Rosenpass UDP']?.detail).toBe('127.0.0.1 port 9999: ROSENPASS_TIMEOUT: no answer within 10 s');
    const alive = await byName({ ...ground, node: node([12], 'ROSENPASS_TIMEOUT') });
    expect(alive['WireGuard UDP']).toMatchObject({ result: 'pass' });
  });
});

describe('without one', () => {
  test('a refusal is seen, silence is no answer', async () => {
    const port = await listening();
    const closed = await listening();
    sockets.at(-1)?.close();
    sockets.pop();
    const found = await byName({ place: place(port, closed), mtu: 1_420, node: undefined });
    expect(found['Rosenpass UDP']).toMatchObject({ result: 'fail', detail: `127.0.0.1:${closed}: ECONNREFUSED` });
    expect(found['WireGuard UDP']).toMatchObject({ result: 'unknown', fix: expect.stringContaining('start labmand') });
  });

  test('a name without address fails, a hub that is not known yet does not', async () => {
    const nameless = place(1);
    nameless.wireguard.host = nameless.rosenpass!.host = 'no-such-host.invalid';
    const found = await byName({ place: nameless, mtu: 1_420, node: undefined });
    expect(found['WireGuard UDP']).toMatchObject({ result: 'fail', fix: expect.stringContaining('resolver') });
    expect(found['MTU']).toBeUndefined();
    expect((await pathChecks({ place: undefined, mtu: 1_420, node: undefined }))[0]).toMatchObject({
      result: 'unknown',
    });
  });
});
