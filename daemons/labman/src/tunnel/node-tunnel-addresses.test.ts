/** A hub whose name has several addresses (N2, Q4, Q6): both ends real, but for the wire, the device and the clock. */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { keepPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { PairedDevice } from '@labmesh/tunnel/testing/paired-device';
import { tunnelEnd } from '@labmesh/tunnel/testing/tunnel-end';
import type { NodeState } from '../conplane/node-file.ts';
import { NodeTunnel, type NodeTunnelParts } from './node-tunnel.ts';

setDefaultTimeout(180_000);
const [dead, alive] = ['2001:db8::1', '192.0.2.1'];
const atNode = { address: '198.51.100.7', port: 40_000 };
const clock = new FakeClock();
let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const common = { keepaliveS: 25, fallbackAfterMs: 60_000 } as const;
const spoken = { version: 'auto', ciphertext: 'auto' } as const;
type OnEvent = Parameters<NonNullable<NodeTunnelParts['open']>>[0]['onEvent'];

/** The two ends and the wire between them. `reached`: addresses at which the hub hears and answers. */
async function wired(mode: 'strict' | 'permissive', onEvent: OnEvent) {
  const [reached, sent]: [Set<string>, string[]] = [new Set([alive]), []];
  /** Whether the last datagram was. */
  const wire = { isHeard: false };
  const hub = stack.use(await tunnelEnd({ kind: 'hub' }, '10.90.0.1', { clock }));
  const role = { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8_080 } as const;
  const node = stack.use(await tunnelEnd(role, '10.90.0.2', { clock, onEvent }));
  keepPublicKey(hub.keysDir, node.rosenpassPublicKey);
  keepPublicKey(node.keysDir, hub.rosenpassPublicKey);
  node.tunnel.start({
    send(to, bytes) {
      sent.push(to.address);
      wire.isHeard = reached.has(to.address);
      if (wire.isHeard) hub.tunnel.receive(bytes, atNode);
    },
  });
  hub.tunnel.start({ send: (_, bytes) => node.tunnel.receive(bytes, { address: alive, port: 9_999 }) });
  const rosenpass = { fingerprint: node.fingerprint, schedule: 'hub', ...spoken } as const;
  const wireguardPublicKey = node.wireguard.publicKey;
  await hub.tunnel.setPeer({
    ...common,
    mode,
    id: 'n',
    name: 'n',
    wireguardPublicKey,
    address: '10.90.0.2',
    rosenpass,
  });
  return { hub, node, reached, sent, wire };
}
type Wired = Awaited<ReturnType<typeof wired>>;

const stateOf = ({ hub }: Wired): NodeState => ({
  nodeId: 'n-1',
  address: '10.90.0.2',
  hub: {
    address: '10.90.0.1',
    wireguardPublicKey: Buffer.from(hub.wireguard.publicKey).toString('base64'),
    wireguardEndpoint: 'hub.example:51820',
    rosenpassSha256: hub.fingerprint,
    rosenpassEndpoint: 'hub.example:9999',
    rosenpassVersion: 'V03',
    rosenpassCiphertext: 'pc188',
  },
});

/** Threads have all the time that they want: the clock stands while one of them works on an exchange. */
function timeOf({ node, sent, wire }: Wired) {
  let sentBefore = 0;
  const work = async () => {
    const waits = () => node.tunnel.unansweredMs('hub') > 0;
    if (!waits()) sentBefore = sent.length;
    const { length } = sent;
    const isAtWork = () => waits() && sent.length === length && (length === sentBefore || wire.isHeard);
    for (let turn = 0; isAtWork() && turn < 500; turn++) await Bun.sleep(5);
    await Bun.sleep(1);
  };
  /** Time goes on until it holds. */
  const until = async (what: string, holds: () => boolean, withinMs = 600_000) => {
    for (const end = clock.now() + withinMs; !holds();) {
      if (clock.now() > end) throw new Error(`it did not come to pass: ${what}`);
      await work();
      if (!holds()) await clock.advance(250);
    }
  };
  const pass = (ms: number) => {
    const end = clock.now() + ms;
    return until('time', () => clock.now() >= end);
  };
  return { until, pass };
}

async function rig(requirePq: boolean) {
  let onEvent: OnEvent | undefined;
  const ends = await wired(requirePq ? 'strict' : 'permissive', (event) => onEvent?.(event));
  const { hub, node, reached } = ends;
  const [state, told, names] = [stateOf(ends), { timeouts: 0 }, { answer: [dead, alive] as readonly string[] }];
  const config = { ...common, range: '10.90.0.0/16', requirePq, rosenpass: spoken };
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  const tunnel = stack.use(
    new NodeTunnel({
      config: config as unknown as NodeTunnelParts['config'],
      keys: { ownKey: { index: 0 } } as NodeTunnelParts['keys'],
      proxyPort: 8_080,
      timestampPath: '/nowhere',
      log: silentLogger,
      clock,
      serve: () => nothing,
      onExchanged: () => undefined,
      // As a site does: the Conplane is asked again.
      onTimeout: () => void [told.timeouts++, tunnel.apply(state)],
      lookup: () => (names.answer.length > 0 ? Promise.resolve(names.answer) : Promise.reject(new Error('EAI_AGAIN'))),
      open: (asked) => {
        ({ onEvent } = asked);
        const view = () => ({ backend: 'memory', isolation: 'none', peers: node.tunnel.peers() }) as never;
        return Promise.resolve({ tunnel: node.tunnel, view, redial: () => undefined, ...nothing });
      },
    }),
  );
  const held = () => [...node.device.held.values()][0];
  /** WireGuard's handshake, where it is dialled. */
  const shake = () =>
    reached.has(held()?.endpoint?.address ?? '') && PairedDevice.shakeHands(hub.device, node.device, clock.wall());
  return { ...ends, ...timeOf(ends), names, tunnel, state, told, held, shake };
}

/** The link as it is once an exchange and a handshake have ended. */
async function joined() {
  const ends = await rig(true);
  const { tunnel, node, state, shake, until, pass } = ends;
  await tunnel.apply(state);
  await until('an exchange', () => node.tunnel.peer('hub')?.generation === 1);
  await pass(500);
  await until('a handshake', shake);
  await until('proof', () => node.tunnel.peer('hub')?.pq === 'active');
  return { ...ends, first: ends.held() as NonNullable<ReturnType<typeof ends.held>> };
}

describe('a hub whose first address is dead', () => {
  test('is reached at the other one, and stays there, whatever registrations and the resolver say', async () => {
    const { names, sent, tunnel, state, node, held, first, until } = await joined();
    expect(sent[0]).toBe(dead);
    expect(held()?.endpoint).toEqual({ address: alive, port: 51_820 });
    const { generation } = node.tunnel.peer('hub') ?? {};
    await tunnel.apply(state);
    names.answer = [];
    await tunnel.apply(state);
    expect(held()?.endpoint).toEqual({ address: alive, port: 51_820 });
    expect(held()).toBe(first);
    sent.length = 0;
    await until('the next exchange', () => (node.tunnel.peer('hub')?.generation ?? 0) > (generation ?? 0));
    expect(new Set(sent)).toEqual(new Set([alive]));
    expect(node.device.cuts).toBe(0);
  });

  test('whatever a resolver says at a registration or after a timeout, a live session stays where it is', async () => {
    const { names, tunnel, state, node, held, first, pass } = await joined();
    names.answer = ['203.0.113.66'];
    await tunnel.apply(state);
    await pass(10_000);
    expect(held()).toBe(first);
    expect([held()?.endpoint?.address, node.device.cuts]).toEqual([alive, 0]);
  });

  test('that does not answer for a while: its addresses are tried 2 s apart, its session lives for 180 s', async () => {
    const { reached, sent, tunnel, node, told, held, first, shake, until, pass } = await joined();
    reached.clear();
    await until('an exchange that waits', () => node.tunnel.unansweredMs('hub') > 0);
    const tries: string[] = [];
    for (let n = 0; n < 8; n++) {
      await pass(2_000);
      tries.push(sent.at(-1) ?? '');
    }
    expect(new Set(tries)).toEqual(new Set([dead, alive]));
    await until('a timeout', () => told.timeouts === 1);
    expect(held()).toBe(first);
    expect([node.device.cuts, held()?.endpoint?.address]).toEqual([0, alive]);
    // 60 s of the 180 s are left at least: the exchange was due after 120 s at most.
    await pass(10_000);
    expect([node.device.cuts, tunnel.view()?.peers[0]?.pq]).toEqual([0, 'active']);
    await until('the cut', () => node.device.cuts === 1);
    reached.add(alive);
    await until('another exchange', () => node.tunnel.peer('hub')?.pskKind === 'rosenpass');
    await pass(500);
    await until('a handshake', shake);
    await until('proof', () => node.tunnel.peer('hub')?.pq === 'active');
  });
});

test('a permissive link whose hub answers nowhere falls back after 60 s (Q6)', async () => {
  const { reached, tunnel, state, node, told, held, until, pass } = await rig(false);
  reached.clear();
  const since = clock.now();
  await tunnel.apply(state);
  const first = held();
  await pass(59_000);
  expect(node.tunnel.peer('hub')).toMatchObject({ pq: 'stale', pskKind: 'random' });
  await until('the fallback', () => node.events.some(({ event }) => event === 'pq_fallback'));
  expect(clock.now() - since).toBeLessThan(66_000);
  expect(told.timeouts).toBe(1);
  expect(held()).toBe(first as NonNullable<typeof first>);
});

test('a hub whose name has no address yet is reached once it has', async () => {
  const { names, tunnel, state, node, held, until, pass } = await rig(true);
  names.answer = [];
  await tunnel.apply(state);
  await pass(30_000);
  expect(held()?.endpoint).toBeUndefined();
  names.answer = [alive];
  await until('an exchange', () => node.tunnel.peer('hub')?.generation === 1, 60_000);
  expect(held()?.endpoint?.address).toBe(alive);
});
