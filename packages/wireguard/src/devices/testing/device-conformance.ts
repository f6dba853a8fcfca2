/**
 * What every device must do, whoever stands behind it (spec tunnel.md R3, A6): a node and a hub, first strangers, then
 * peers. A backend's test gives a way to open such a pair and calls `describeDevices`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { publicKeyOf } from '../../noise/x25519.ts';
import type { Endpoint, PeerConfig, PeerState, TunnelDevice } from '../../tunnel-device.ts';

/** A device that may run in another process: there nothing can be run inside. */
export type DistantDevice = Omit<TunnelDevice, 'inside' | 'watch' | 'open' | 'answerFor'>;

export type DevicePair = AsyncDisposable & {
  /** Both are open and have no peers. */
  node: DistantDevice;
  hub: DistantDevice;
  nodeKey: Uint8Array;
  hubKey: Uint8Array;
  hubEndpoint: Endpoint;
  /** The hub asks the node's service until it answers; false: it did not within that time. */
  reach(withinMs: number): Promise<boolean>;
  /** What is still there of either device, by name. */
  leftovers(): Promise<string[]>;
};

const caseMs = 60_000;
const psk = () => new Uint8Array(randomBytes(32));
const soonMs = 15_000;
/** Spec tunnel.md Q5. */
const healMs = 12_000;

const stateOf = async (device: DistantDevice, key: Uint8Array): Promise<PeerState | undefined> =>
  (await device.peers()).find(({ publicKey }) => publicKey.toHex() === key.toHex());

/** Both ends know each other, with this PSK. */
async function introduce(pair: DevicePair, presharedKey: Uint8Array): Promise<void> {
  const { node, hub, nodeKey, hubKey, hubEndpoint } = pair;
  const common = { presharedKey, keepaliveS: 25 };
  await hub.setPeer({ ...common, publicKey: nodeKey, address: node.config.address, keepaliveS: 0 });
  await node.setPeer({ ...common, publicKey: hubKey, address: hub.config.address, endpoint: hubEndpoint });
}

/** Where both ends have no session. */
async function cutBoth(pair: DevicePair, hubPsk: Uint8Array, nodePsk = hubPsk): Promise<void> {
  expect(await pair.hub.cutPeer(pair.nodeKey, hubPsk)).toBe(true);
  expect(await pair.node.cutPeer(pair.hubKey, nodePsk)).toBe(true);
}

function describePeers(pairOf: () => DevicePair): void {
  test('the plan is text', () => {
    const steps = pairOf().node.plan();
    expect(steps.length).toBeGreaterThan(0);
    for (const { step, detail } of steps) expect([step, detail].every((text) => text.length > 0)).toBe(true);
    const key = pairOf().node.config.privateKey;
    expect(JSON.stringify(steps)).not.toContain(key.toHex());
  });

  test('no peers at first; a PSK for nobody makes none (Q2)', async () => {
    const { node, hubKey } = pairOf();
    expect(await node.peers()).toEqual([]);
    expect(await node.setPsk(hubKey, psk())).toBeUndefined();
    expect(await node.cutPeer(hubKey, psk())).toBe(false);
    await node.removePeer(hubKey);
    expect(await node.peers()).toEqual([]);
  });

  test(
    'peers that know each other talk; both count it',
    async () => {
      const pair = pairOf();
      await introduce(pair, psk());
      expect(await pair.reach(soonMs)).toBe(true);
      const [atNode, atHub] = [await stateOf(pair.node, pair.hubKey), await stateOf(pair.hub, pair.nodeKey)];
      expect(atNode).toMatchObject({ address: pair.hub.config.address, endpoint: pair.hubEndpoint, keepaliveS: 25 });
      expect(atHub).toMatchObject({ address: pair.node.config.address, keepaliveS: 0 });
      expect(atHub?.endpoint?.port).toBe(pair.node.listenPort);
      for (const state of [atNode, atHub]) {
        expect(state?.lastHandshakeMs).toBeGreaterThan(0);
        expect(state?.txBytes).toBeGreaterThan(0);
        expect(state?.rxBytes).toBeGreaterThan(0);
      }
    },
    caseMs,
  );

  test('setting a peer again changes it and adds none', async () => {
    const { node, hub, hubKey, hubEndpoint } = pairOf();
    const peer: PeerConfig = {
      publicKey: hubKey,
      presharedKey: psk(),
      address: hub.config.address,
      endpoint: hubEndpoint,
      keepaliveS: 20,
    };
    await node.setPeer(peer);
    expect(await node.peers()).toHaveLength(1);
    expect(await stateOf(node, hubKey)).toMatchObject({ keepaliveS: 20 });
  });
}

function describePlaces(pairOf: () => DevicePair): void {
  test(
    'a peer is dialled elsewhere and its session goes on; one that is not there stays away (N2, Q4)',
    async () => {
      const pair = pairOf();
      const { node, hubKey, hubEndpoint } = pair;
      expect(await pair.reach(soonMs)).toBe(true);
      const before = await stateOf(node, hubKey);
      const elsewhere = { ...hubEndpoint, port: hubEndpoint.port + 1 };
      await node.movePeer(hubKey, elsewhere);
      expect(await stateOf(node, hubKey)).toMatchObject({
        endpoint: elsewhere,
        address: before?.address,
        keepaliveS: 20,
      });
      await node.movePeer(hubKey, hubEndpoint);
      expect(await pair.reach(soonMs)).toBe(true);
      expect(await stateOf(node, hubKey)).toMatchObject({
        endpoint: hubEndpoint,
        lastHandshakeMs: before?.lastHandshakeMs,
      });
      await node.movePeer(psk(), hubEndpoint);
      expect(await node.peers()).toHaveLength(1);
    },
    caseMs,
  );
}

function describeKeys(pairOf: () => DevicePair): void {
  test(
    'a PSK is read back; the running session stays (Q2, Q3)',
    async () => {
      const pair = pairOf();
      await introduce(pair, psk());
      await cutBoth(pair, psk());
      const first = psk();
      await pair.hub.setPsk(pair.nodeKey, first);
      await pair.node.setPsk(pair.hubKey, first);
      expect(await pair.reach(healMs)).toBe(true);
      const before = await stateOf(pair.hub, pair.nodeKey);
      const next = psk();
      expect(await pair.hub.setPsk(pair.nodeKey, next)).toEqual(next);
      expect(await pair.node.setPsk(pair.hubKey, next)).toEqual(next);
      expect(await pair.reach(2_000)).toBe(true);
      expect((await stateOf(pair.hub, pair.nodeKey))?.lastHandshakeMs).toBe(before?.lastHandshakeMs);
    },
    caseMs,
  );

  test(
    'a cut ends the session at once and keeps the peer’s settings; the next key heals it (Q4, Q5)',
    async () => {
      const pair = pairOf();
      expect(await pair.reach(soonMs)).toBe(true);
      const before = await stateOf(pair.hub, pair.nodeKey);
      expect(await pair.hub.cutPeer(pair.nodeKey, psk())).toBe(true);
      expect(await pair.reach(3_000)).toBe(false);
      const after = await stateOf(pair.hub, pair.nodeKey);
      const { address, endpoint, keepaliveS } = before ?? {};
      expect(after).toMatchObject({ address, endpoint, keepaliveS });
      expect(after?.lastHandshakeMs).toBeUndefined();
      const next = psk();
      await cutBoth(pair, next);
      expect(await pair.reach(healMs)).toBe(true);
      expect((await pair.node.peers()).length).toBe(1);
    },
    caseMs,
  );
}

/** Until a handshake of this peer is seen; the traffic that asks for one goes on meanwhile. */
async function untilShaken(pair: DevicePair, device: DistantDevice, key: Uint8Array): Promise<void> {
  for (const end = performance.now() + soonMs; performance.now() < end;) {
    if ((await stateOf(device, key))?.lastHandshakeMs !== undefined) return;
    await pair.reach(100);
  }
  throw new Error('no handshake with the next key');
}

function describeNewKeys(pairOf: () => DevicePair): void {
  test(
    'a node’s key gives way to another: nothing of the next passes before it is handed the place (K8)',
    async () => {
      const pair = pairOf();
      const { node, hub, nodeKey, hubKey } = pair;
      const [presharedKey, privateKey] = [psk(), psk()];
      const next = publicKeyOf(privateKey);
      await introduce(pair, presharedKey);
      await cutBoth(pair, presharedKey);
      expect(await pair.reach(healMs)).toBe(true);
      await hub.setPeer({ publicKey: next, presharedKey, keepaliveS: 0 });
      expect(await hub.handOver(nodeKey, { publicKey: psk(), address: node.config.address, keepaliveS: 0 })).toBe(
        false,
      );
      expect(await pair.reach(soonMs)).toBe(true);
      await node.setPrivateKey(privateKey);
      await untilShaken(pair, hub, next);
      expect(await stateOf(hub, next)).toMatchObject({ address: undefined });
      expect((await stateOf(hub, nodeKey))?.address).toBe(node.config.address);
      pair.nodeKey = next;
      expect(await hub.handOver(nodeKey, { publicKey: next, address: node.config.address, keepaliveS: 0 })).toBe(true);
      expect(await pair.reach(healMs)).toBe(true);
      expect([(await hub.peers()).length, (await stateOf(hub, next))?.address]).toEqual([1, node.config.address]);
      expect((await stateOf(node, hubKey))?.keepaliveS).toBe(25);
    },
    caseMs,
  );

  test(
    'a hub’s key gives way to another that the node expects (K8)',
    async () => {
      const pair = pairOf();
      const { node, hub, hubKey, hubEndpoint } = pair;
      const [presharedKey, privateKey] = [psk(), psk()];
      const next = publicKeyOf(privateKey);
      await introduce(pair, presharedKey);
      await cutBoth(pair, presharedKey);
      expect(await pair.reach(healMs)).toBe(true);
      await node.setPeer({ publicKey: next, presharedKey, keepaliveS: 0 });
      await hub.setPrivateKey(privateKey);
      await untilShaken(pair, node, next);
      pair.hubKey = next;
      const place = { publicKey: next, address: hub.config.address, endpoint: hubEndpoint, keepaliveS: 25 };
      expect(await node.handOver(hubKey, place)).toBe(true);
      expect(await pair.reach(healMs)).toBe(true);
      const { address } = hub.config;
      expect(await node.peers()).toMatchObject([{ address, endpoint: hubEndpoint, keepaliveS: 25 }]);
    },
    caseMs,
  );
}

function describeRemoval(pairOf: () => DevicePair): void {
  test(
    'a late key does not bring a removed peer back; nothing passes then (Q2, H1)',
    async () => {
      const pair = pairOf();
      expect(await pair.reach(soonMs)).toBe(true);
      await pair.hub.removePeer(pair.nodeKey);
      expect(await pair.hub.setPsk(pair.nodeKey, psk())).toBeUndefined();
      expect(await pair.hub.cutPeer(pair.nodeKey, psk())).toBe(false);
      expect(await pair.hub.peers()).toEqual([]);
      expect(await pair.reach(2_000)).toBe(false);
    },
    caseMs,
  );

  test(
    'different PSKs: no handshake ever',
    async () => {
      const pair = pairOf();
      await introduce(pair, psk());
      // A key that both have would be taken for a handshake before the next is written.
      await cutBoth(pair, psk(), psk());
      expect(await pair.reach(7_000)).toBe(false);
      expect((await stateOf(pair.node, pair.hubKey))?.lastHandshakeMs).toBeUndefined();
    },
    caseMs,
  );

  test('keys written at once are each read back', async () => {
    const { node, hub } = pairOf();
    const prefix = node.config.address.replace(/\d+$/, '');
    const peers = Array.from({ length: 8 }, (_, i) => ({ publicKey: psk(), address: `${prefix}${200 + i}` }));
    for (const peer of peers) await hub.setPeer({ ...peer, presharedKey: psk(), keepaliveS: 0 });
    const written = peers.map(({ publicKey }) => ({ publicKey, key: psk() }));
    const read = await Promise.all(written.map(({ publicKey, key }) => hub.setPsk(publicKey, key)));
    expect(read.map((key) => key?.toHex())).toEqual(written.map(({ key }) => key.toHex()));
    for (const { publicKey } of peers) await hub.removePeer(publicKey);
  });
}

/** @param missing why this backend cannot be tried here; it is named in the skipped suite. */
export function describeDevices(name: string, open: () => Promise<DevicePair>, missing?: string): void {
  const title = missing === undefined ? `devices: ${name}` : `devices: ${name} (needs ${missing})`;
  describe.skipIf(missing !== undefined)(title, () => {
    let pair: DevicePair | undefined;
    beforeAll(async () => {
      pair = await open();
    }, caseMs);
    afterAll(() => pair?.[Symbol.asyncDispose](), caseMs);
    const pairOf = () => {
      if (pair === undefined) throw new Error('the devices did not open');
      return pair;
    };
    describePeers(pairOf);
    describePlaces(pairOf);
    describeKeys(pairOf);
    describeNewKeys(pairOf);
    describeRemoval(pairOf);
    test(
      'closing leaves nothing (A6)',
      async () => {
        const pair = pairOf();
        const { node, hub } = pair;
        await node[Symbol.asyncDispose]();
        await hub[Symbol.asyncDispose]();
        await hub[Symbol.asyncDispose]();
        expect(await pair.leftovers()).toEqual([]);
      },
      caseMs,
    );
  });
}
