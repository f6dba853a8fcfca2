/** Opening, losing and opening again (N9), and which own pair exchanges are begun with (K8). */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { OwnPair, TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { NodeState } from '../conplane/node-file.ts';
import { NodeTunnel, type NodeTunnelParts } from './node-tunnel.ts';
import type { NodeTunnelOpening } from './open-node-tunnel.ts';

const none = { privateKeyPath: undefined, publicKeyPath: undefined };
const config: TunnelConfig = {
  backend: 'auto',
  aead: 'auto',
  interfaceName: 'labman0',
  address: undefined,
  range: '10.90.0.0/16',
  keys: none,
  peer: { publicKey: undefined, endpoint: undefined, address: undefined },
  isolation: 'auto',
  mtu: 1_420,
  keepaliveS: 25,
  requirePq: undefined,
  fallbackAfterMs: 60_000,
  rosenpass: {
    ...none,
    peerPublicKeyPath: undefined,
    peerSha256: undefined,
    endpoint: undefined,
    version: 'auto',
    ciphertext: 'auto',
    presharedKeyPath: undefined,
    keyOut: undefined,
  },
};
const state: NodeState = {
  nodeId: 'n-1',
  address: '10.90.0.2',
  hub: {
    address: '10.90.0.1',
    wireguardPublicKey: `${'A'.repeat(43)}=`,
    wireguardEndpoint: '192.0.2.1:51820',
    rosenpassSha256: `sha256:${'c'.repeat(64)}`,
    rosenpassEndpoint: null,
    rosenpassVersion: null,
    rosenpassCiphertext: null,
  },
};
const pair = (index: number): OwnPair => ({
  index,
  fingerprint: `sha256:${String(index).repeat(64)}`,
  prefixes: new Uint8Array(),
  publicKey: new Uint8Array(),
});
const [own, next] = [pair(0), pair(1)];
const endpoint = { address: '192.0.2.1', port: 9_999 };

let open: NodeTunnel | undefined;
afterEach(() => open?.[Symbol.asyncDispose]());

type Told = { openings: NodeTunnelOpening[]; calls: string[]; exchanged: number[] };

/** A tunnel whose devices exist in name; `refuse` makes an opening fail. */
function rig(options: { nextKey?: OwnPair; refuse?: (opening: number) => string | undefined } = {}) {
  const clock = new FakeClock();
  const told: Told = { openings: [], calls: [], exchanged: [] };
  const { openings, calls } = told;
  const keys = { ownKey: own, nextKey: options.nextKey } as unknown as TunnelKeys;
  const tunnel: NonNullable<NodeTunnelParts['open']> = async (opening) => {
    openings.push(opening);
    const number = openings.length;
    await Promise.resolve();
    const reason = options.refuse?.(number);
    if (reason === 'gone') opening.onDeviceEvent({ kind: 'gone' });
    else if (reason !== undefined) throw new Error(reason);
    return {
      view: () => ({ backend: 'wireguard-go', isolation: 'netns', peers: [] }) as never,
      redial: () => undefined,
      tunnel: {
        device: { config: { name: `device ${number}` } } as TunnelDevice,
        setPeer: () => Promise.resolve(void calls.push(`peer ${number}`)),
        unansweredMs: () => 0,
        exchangeNow: () => Promise.resolve(undefined),
        renew: () => Promise.resolve(),
        beginWith: ({ index }) => void calls.push(`begin ${index}`),
        removeOwnKey: (index) => void calls.push(`forget ${index}`),
        prove: (id, claim) => `${id} ${claim.join()}`,
        setPrivateKey: ([first]) => Promise.resolve(void calls.push(`private ${first}`)),
        isProven: (id, known, claim, proof) =>
          `${id} ${known} ${claim.join()} ${proof}` === 'hub a next hub key,a,b good',
      },
      [Symbol.asyncDispose]: () => Promise.resolve(void calls.push(`close ${number}`)),
    };
  };
  const serve = ({ config: { name } }: TunnelDevice) => {
    calls.push(`serve ${name}`);
    return { [Symbol.asyncDispose]: () => Promise.resolve(void calls.push(`unserve ${name}`)) };
  };
  const onExchanged = (ownKey: number) => void told.exchanged.push(ownKey);
  const settings = { config, proxyPort: 8_080, timestampPath: '/nowhere', log: silentLogger };
  const nodeTunnel = new NodeTunnel({ ...settings, keys, serve, onExchanged, clock, open: tunnel });
  open = nodeTunnel;
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 250) {
      await clock.advance(250);
      for (let turn = 0; turn < 30; turn++) await Promise.resolve();
    }
  };
  const last = () => openings.at(-1) as NodeTunnelOpening;
  return { nodeTunnel, ...told, keys, pass, last };
}

describe('a device that is taken away', () => {
  test('is opened again within 2 s, with the backend it had, and the proxy with it', async () => {
    const { nodeTunnel, openings, calls, pass, last } = rig();
    await nodeTunnel.apply(state);
    expect(calls).toEqual(['serve device 1', 'peer 1']);
    last().onDeviceEvent({ kind: 'gone' });
    expect(nodeTunnel.fault).toContain('is gone');
    await pass(1_000);
    expect(calls.slice(2)).toEqual(['unserve device 1', 'close 1', 'serve device 2', 'peer 2']);
    expect(openings.map(({ backend }) => backend)).toEqual([undefined, 'wireguard-go']);
    expect(nodeTunnel.fault).toBeUndefined();
  });

  test('is tried again and again, after a while with any backend', async () => {
    const { nodeTunnel, openings, pass, last } = rig({ refuse: (n) => (n > 1 && n < 9 ? 'no backend' : undefined) });
    await nodeTunnel.apply(state);
    last().onDeviceEvent({ kind: 'gone' });
    await pass(3_000);
    expect(nodeTunnel.view()).toBeUndefined();
    expect(nodeTunnel.fault).toContain('no backend');
    await pass(120_000);
    expect(openings).toHaveLength(9);
    expect(openings.slice(1).map(({ backend }) => backend)).toEqual([
      ...Array<'wireguard-go'>(5).fill('wireguard-go'),
      undefined,
      undefined,
      undefined,
    ]);
    expect(nodeTunnel.view()).toBeDefined();
  });

  test('while it opens is no open tunnel', async () => {
    const { nodeTunnel, calls } = rig({ refuse: () => 'gone' });
    expect(await thrower(nodeTunnel.apply(state))).toThrow('went away while it was opened');
    expect(calls).toEqual(['serve device 1', 'unserve device 1', 'close 1']);
    expect(nodeTunnel.view()).toBeUndefined();
  });

  test('is not opened when the Conplane has meanwhile ended the tunnel, nor twice when a registration did it', async () => {
    const { nodeTunnel, openings, pass, last } = rig();
    await nodeTunnel.apply(state);
    last().onDeviceEvent({ kind: 'gone' });
    await nodeTunnel.apply({ ...state, hub: null });
    await pass(5_000);
    expect(openings).toHaveLength(1);
    await nodeTunnel.apply(state);
    last().onDeviceEvent({ kind: 'gone' });
    await nodeTunnel.apply({ ...state, address: '10.90.0.3' });
    await pass(5_000);
    expect(openings.map(({ place }) => place.address)).toEqual(['10.90.0.2', '10.90.0.2', '10.90.0.3']);
  });

  test('events of a device from before are nobody’s', async () => {
    const { nodeTunnel, openings, pass, last } = rig();
    await nodeTunnel.apply(state);
    const before = last();
    before.onDeviceEvent({ kind: 'gone' });
    await pass(1_000);
    before.onDeviceEvent({ kind: 'gone' });
    await pass(5_000);
    expect(openings).toHaveLength(2);
  });

  test('lost isolation stands in the fault until it is restored', async () => {
    const { nodeTunnel, last } = rig();
    await nodeTunnel.apply(state);
    last().onDeviceEvent({ kind: 'isolation_lost', detail: 'the table was removed' });
    expect(nodeTunnel.fault).toBe('isolation_lost: the table was removed');
    last().onDeviceEvent({ kind: 'isolation_restored' });
    expect(nodeTunnel.fault).toBeUndefined();
  });
});

describe('own pairs', () => {
  test('exchanges are begun with the pair that was taken, also over another device', async () => {
    const { nodeTunnel, calls, pass, last } = rig();
    await nodeTunnel.apply(state);
    await nodeTunnel.beginWith(own);
    expect(calls).not.toContain('begin 0');
    await nodeTunnel.beginWith(next);
    await nodeTunnel.beginWith(next);
    expect(calls.filter((call) => call.startsWith('begin'))).toEqual(['begin 1']);
    last().onDeviceEvent({ kind: 'gone' });
    await pass(1_000);
    expect(calls.slice(-3)).toEqual(['serve device 2', 'begin 1', 'peer 2']);
  });

  test('an exchange tells its pair; one that is given up answers no more', async () => {
    const { nodeTunnel, exchanged, calls, last } = rig();
    await nodeTunnel.apply(state);
    last().onEvent({ event: 'exchanged', peer: 'hub', role: 'initiator', ownKey: 1, endpoint });
    expect(exchanged).toEqual([1]);
    nodeTunnel.forget(own);
    expect(calls.at(-1)).toBe('forget 0');
  });

  test('two of which nobody knows which the hub has are tried in turn, until one is proven', async () => {
    const { nodeTunnel, calls, pass, last } = rig({ nextKey: next });
    await nodeTunnel.apply(state);
    const begun = () => calls.filter((call) => call.startsWith('begin'));
    await pass(9_000);
    expect(begun()).toEqual([]);
    await pass(22_000);
    expect(begun()).toEqual(['begin 1', 'begin 0', 'begin 1']);
    last().onEvent({ event: 'exchanged', peer: 'hub', role: 'initiator', ownKey: 1, endpoint });
    await pass(120_000);
    expect(begun()).toHaveLength(3);
  });

  test('what a registration says ends the doubt', async () => {
    const { nodeTunnel, calls, pass } = rig({ nextKey: next });
    await nodeTunnel.apply(state);
    await nodeTunnel.beginWith(own);
    await pass(60_000);
    expect(calls.filter((call) => call.startsWith('begin'))).toEqual([]);
  });
});

test('only the open end can say what the hub has proven', async () => {
  const { nodeTunnel: tunnel } = rig();
  const keys = { current: 'a', next: 'b' };
  expect(tunnel.isHubProven(keys, 'good')).toBe(false);
  await tunnel.apply(state);
  expect([tunnel.isHubProven(keys, 'good'), tunnel.isHubProven(keys, 'bad')]).toEqual([true, false]);
});
