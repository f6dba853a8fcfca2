import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { system } from '@labmesh/wire/fleet/principal';
import { type RelayedNodeView, rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { codeOf, localRoot } from '../login/testing/callers.ts';
import { newNodeToken, type NodeGround, openNodeGround, registration } from '../nodes/testing/node-ground.ts';
import { keysOf } from '../nodes/testing/remembering-tunnel.ts';
import type { NodeTunnel } from '../nodes/node-tunnel.ts';
import { parseAddressRange } from '../settings/address-range.ts';
import { exportPeer } from './export-peer.ts';
import { HubRotation } from './hub-rotation.ts';
import { rememberingKeys, rememberingOpen } from './testing/remembering-open.ts';
import { TunnelDesk } from './tunnel-desk.ts';
import { TunnelHub } from './tunnel-hub.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

const range = parseAddressRange('10.90.0.0/16')!;
const key = (letter: string) => `${letter.repeat(42)}A=`;
const rosenpass = (fill: number) => Buffer.alloc(rosenpassPublicKeyBytes, fill).toString('base64');
/** Sealed for its place alone, and opened nowhere else. */
const sealHead = (...place: string[]) => `enc:v1:${place.join('/')}:`;
const secrets = {
  seal: (table: string, id: string, field: string, plain: Uint8Array) =>
    sealHead(table, id, field) + Buffer.from(plain).toString('hex'),
  open(table: string, id: string, field: string, sealed: string) {
    const head = sealHead(table, id, field);
    if (!sealed.startsWith(head)) throw new Error('sealed for another place');
    return new Uint8Array(Buffer.from(sealed.slice(head.length), 'hex'));
  },
};
let ground: NodeGround;
let world: ReturnType<typeof rememberingOpen>;
let hub: TunnelHub;
let desk: TunnelDesk;
let relayed: RelayedNodeView[];
/** Ids of peers that left the device. */
let gone: string[];
/** Addresses that the device was about to have, each with what it had there before. */
let taken: [address: string, before: string | undefined][];
beforeEach(async () => {
  const port: NodeTunnel = {
    conplane: () => hub.conplane(),
    ownKey: () => hub.ownKey(),
    nextKey: (peerId) => hub.nextKey(peerId),
    wireguardProof: (...asked) => hub.wireguardProof(...asked),
    takenProof: (...asked) => hub.takenProof(...asked),
    isNextKeyProven: (...asked) => hub.isNextKeyProven(...asked),
    isKeyUsed: (...asked) => hub.isKeyUsed(...asked),
    setPeer: (row) => hub.setPeer(row),
    removePeer: (id) => hub.removePeer(id),
  };
  ground = await openNodeGround({ tunnel: port });
  world = rememberingOpen();
  const { store, clock, keyFiles, dataDir } = ground;
  relayed = [];
  world.ground.rotation = new HubRotation({
    keys: rememberingKeys(),
    path: join(dataDir, 'rotation.json'),
    nodesWithout: () => Promise.resolve([]),
    hasForeigners: () => Promise.resolve(false),
    tell: () => undefined,
    clock,
    log: silentLogger,
  });
  const replicaId = 'replica-1';
  const { ground: laid } = world;
  const onDevice = () => undefined;
  const lookup = (host: string) => Promise.resolve(host === 'branch.example' ? ['198.51.100.7'] : []);
  [gone, taken] = [[], []];
  const atAddress = (at: string) => [...world.peers.values()].find((peer) => peer.address === at)?.id;
  const onTaken = (at: string) => void taken.push([at, atAddress(at)]);
  const told = { onDevice, onTaken, onGone: (id: string) => void gone.push(id) };
  hub = new TunnelHub({ store, secrets, ground: laid, replicaId, ...told, lookup, clock, log: silentLogger });
  await hub.start();
  desk = new TunnelDesk({ hub, relayed: () => relayed, store, secrets, keyFiles, range, replicaId, clock });
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await ground[Symbol.asyncDispose]();
});

const joinNode = async (seed = 1) => {
  const token = await newNodeToken(ground, { name: `site-${seed}` });
  return (await ground.registry.register(registration(token, keysOf(seed)))).answer;
};
/** What a second of the reconciler does. */
const look = async () => {
  await ground.clock.advance(1_000);
  for (let turn = 0; turn < 50; turn++) await Bun.sleep(0);
};

describe('clients of other make (X7)', () => {
  test('get an address and are in the device before the answer; twins are refused by what they share', async () => {
    const peer = await desk.add(localRoot, {
      name: 'laptop',
      wireguardPublicKey: key('L'),
      rosenpassPublicKey: rosenpass(1),
    });
    expect(peer).toMatchObject({ name: 'laptop', address: '10.90.0.2', mode: 'strict' });
    expect(world.peers.get(peer.id)?.rosenpass).toMatchObject({ schedule: 'foreign', version: 'auto' });
    const twin = (change: object) =>
      codeOf(
        desk.add(localRoot, {
          name: 'other',
          wireguardPublicKey: key('M'),
          rosenpassPublicKey: rosenpass(2),
          ...change,
        }),
      );
    expect(await twin({ name: 'laptop' })).toBe('CONFLICT');
    expect(await twin({ wireguardPublicKey: key('L') })).toBe('CONFLICT');
    expect(await twin({ rosenpassPublicKey: rosenpass(1) })).toBe('CONFLICT');
    expect(await twin({ rosenpassPublicKey: 'AAAA' })).toBe('ROSENPASS_KEY_INVALID');
    expect(await twin({ endpoint: 'nowhere' })).toBe('VALIDATION_FAILED');
    // WireGuard would have no port.
    expect(await twin({ endpoint: '192.0.2.7:65535' })).toBe('VALIDATION_FAILED');
    expect(desk.peers().map(({ name }) => name)).toEqual(['laptop']);
  });

  test('an endpoint is dialled, by address at once and by name as soon as that has one; WireGuard on the next port', async () => {
    const laptop = { name: 'laptop', wireguardPublicKey: key('L'), rosenpassPublicKey: rosenpass(1) };
    const { id } = await desk.add(localRoot, { ...laptop, endpoint: '192.0.2.7:9999' });
    expect(world.peers.get(id)).toMatchObject({
      endpoint: { address: '192.0.2.7', port: 10_000 },
      rosenpass: { endpoint: { address: '192.0.2.7', port: 9_999 } },
    });
    const branch = { name: 'branch', wireguardPublicKey: key('B'), rosenpassPublicKey: rosenpass(2) };
    const named = await desk.add(localRoot, { ...branch, endpoint: 'branch.example:9999' });
    expect(world.peers.get(named.id)?.rosenpass?.endpoint).toBeUndefined();
    await look();
    expect(world.peers.get(named.id)).toMatchObject({
      endpoint: { address: '198.51.100.7', port: 10_000 },
      rosenpass: { endpoint: { address: '198.51.100.7', port: 9_999 } },
    });
  });

  test('a preshared key reaches the exchange, sealed in its row, and comes out nowhere (X2, X3)', async () => {
    const secret = Buffer.alloc(32, 7);
    const laptop = { name: 'laptop', wireguardPublicKey: key('L'), presharedKey: secret.toString('base64') };
    expect(await codeOf(desk.add(localRoot, laptop))).toBe('VALIDATION_FAILED');
    const peer = await desk.add(localRoot, { ...laptop, rosenpassPublicKey: rosenpass(1) });
    expect(world.peers.get(peer.id)?.rosenpass?.presharedKey).toEqual(new Uint8Array(secret));
    const row = await desk.row(localRoot, 'laptop');
    expect(row.preshared_key_enc).toBe(secrets.seal('tunnel_peers', peer.id, 'preshared_key', secret));
    const { files } = exportPeer(row, desk.address(), 'toml');
    expect(files['rosenpass.toml']).toContain('pre_shared_key = "psk"');
    for (const shown of [peer, desk.view(), files]) {
      expect(JSON.stringify(shown)).not.toContain(laptop.presharedKey);
      expect(JSON.stringify(shown)).not.toContain(row.preshared_key_enc ?? '?');
    }
  });

  test('a plain WireGuard client claims nothing, and cannot be made strict or cut', async () => {
    const phone = await desk.add(localRoot, { name: 'phone', wireguardPublicKey: key('P') });
    expect(phone).toMatchObject({ mode: 'permissive', rosenpassSha256: null });
    expect(await codeOf(desk.update(localRoot, 'phone', true))).toBe('CONFLICT');
    expect(await codeOf(desk.cut(localRoot, 'phone'))).toBe('CONFLICT');
    expect(world.cuts).toEqual([]);
  });

  test('a removed one is gone from the device, and its keys are free again', async () => {
    const first = await desk.add(localRoot, { name: 'laptop', wireguardPublicKey: key('L') });
    await desk.remove(localRoot, 'laptop');
    expect(world.peers.has(first.id)).toBe(false);
    expect(await codeOf(desk.peer(localRoot, 'laptop'))).toBe('NOT_FOUND');
    const again = await desk.add(localRoot, { name: 'laptop', wireguardPublicKey: key('L') });
    expect(again.address).not.toBe(first.address);
  });
});

describe('nodes', () => {
  test('their mode is the operator’s; they are not removed here, and another key is let in by name', async () => {
    await joinNode();
    expect((await desk.update(localRoot, 'site-1', false)).mode).toBe('permissive');
    expect((await desk.update(localRoot, 'site-1', true)).mode).toBe('strict');
    expect(await codeOf(desk.remove(localRoot, 'site-1'))).toBe('CONFLICT');
    const sha256 = `sha256:${'9'.repeat(64)}`;
    await desk.trust(localRoot, 'site-1', sha256);
    expect((await desk.row(localRoot, 'site-1')).trusted_sha256).toBe(sha256);
  });

  test('cut and exchange reach the device', async () => {
    await joinNode();
    const { id } = await desk.cut(localRoot, 'site-1');
    expect(world.cuts).toEqual([id]);
    const laptop = { name: 'laptop', wireguardPublicKey: key('L'), rosenpassPublicKey: rosenpass(1) };
    await desk.add(localRoot, { ...laptop, endpoint: '192.0.2.7:9999' });
    expect((await desk.exchange(localRoot, 'laptop')).ok).toBe(true);
    // A node may be behind a NAT: who wants one is told where to begin it.
    const refused: unknown = await desk.exchange(localRoot, 'site-1').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('labman tunnel exchange') });
  });

  test('one peer is shown as among all: the interface may be down (N9)', async () => {
    await joinNode();
    const laptop = { name: 'laptop', wireguardPublicKey: key('L'), rosenpassPublicKey: rosenpass(1) };
    await desk.add(localRoot, { ...laptop, endpoint: '192.0.2.7:9999' });
    expect((await desk.peer(localRoot, 'laptop')).pqReason).toBe('no_exchange');
    world.isSeen = { pqReason: 'no_session' };
    const { peer } = await desk.exchange(localRoot, 'laptop');
    for (const one of [peer, await desk.peer(localRoot, 'site-1'), ...desk.peers()])
      expect(one.pqReason).toBe('no_session');
  });

  test('the device follows the rows, whoever wrote them', async () => {
    await joinNode(1);
    await joinNode(2);
    expect(world.peers.size).toBe(2);
    const other = system('another-replica');
    await ground.store.write(other, (tx) =>
      tx.updateTable('tunnel_peers').set({ require_pq: 0, revision: 9 }).execute(),
    );
    await look();
    expect([...world.peers.values()].map(({ mode }) => mode)).toEqual(['permissive', 'permissive']);
    await ground.store.write(other, (tx) =>
      tx.updateTable('tunnel_peers').set({ replica_id: 'replica-2' }).where('name', '=', 'site-1').execute(),
    );
    await ground.store.write(other, (tx) =>
      tx.updateTable('tunnel_peers').set({ removed_at: 1 }).where('name', '=', 'site-2').execute(),
    );
    await look();
    expect(world.peers.size).toBe(0);
  });

  test('a peer that the device does not let go is taken away at a later look', async () => {
    expect(world.sweeps).toBe(1);
    const { node_id: id = '' } = await joinNode();
    world.isBusy = true;
    expect(await ground.lifecycle.ban(localRoot, id).catch(asIs)).toMatchObject({
      message: expect.stringContaining('EBUSY'),
    });
    await joinNode(2);
    await look();
    expect(world.peers.size).toBe(2);
    world.isBusy = false;
    await look();
    expect([...world.peers.values()].map(({ name }) => name)).toEqual(['site-2']);
  });

  test('an interface that somebody deleted is opened again, with all peers', async () => {
    await joinNode(1);
    const [first] = [...world.peers.values()];
    world.lose();
    expect(world.opened).toBe(1);
    await look();
    await look();
    expect(world.opened).toBe(2);
    expect([...world.peers.values()].map(({ name }) => name)).toEqual([first?.name ?? '']);
  });

  test.each([
    ['made anew: the nodes must come in again, since their sessions are gone', 0, false],
    ['that outlived labd: nothing happens to its sessions', 2, false],
    ['that outlived the keys of its hub: the nodes must look at the others', 2, true],
  ])('a device %s', async (_, adopted, hasNewKeys) => {
    await joinNode();
    const registered = async () =>
      (await ground.store.read(system('test'), (db) => db.selectFrom('nodes').selectAll().execute())).map(
        (node) => node.registered_at !== null,
      );
    expect(await registered()).toEqual([true]);
    world.adopted = adopted;
    world.ground.hasNewKeys = hasNewKeys;
    world.lose();
    await look();
    expect(await registered()).toEqual([adopted > 0 && !hasNewKeys]);
  });

  test('one that cannot be set keeps no other from its place', async () => {
    await joinNode(1);
    await joinNode(2);
    const other = system('another-replica');
    const rename = (name: string, to: string) =>
      ground.store.write(other, (tx) =>
        tx.updateTable('tunnel_peers').set({ name: to, revision: 7 }).where('name', '=', name).execute(),
      );
    await rename('site-1', 'broken');
    await rename('site-2', 'whole');
    await look();
    expect([...world.peers.values()].map(({ name }) => name)).toContain('whole');
  });
});

describe('nodes across replicas (H6)', () => {
  const address = '10.90.0.2';
  const moveTo = (replica: string) =>
    ground.store.write(localRoot.principal, (tx) =>
      tx.updateTable('tunnel_peers').set({ replica_id: replica }).execute(),
    );

  test('a peer that moves to another replica, or is lost with the interface, is told of; till then it is here', async () => {
    await joinNode(1);
    const [id = ''] = [...world.peers.keys()];
    expect([hub.peerAddress(id), hub.peerAddress('nobody')]).toEqual([address, undefined]);
    world.lose();
    await look();
    expect([gone, world.opened]).toEqual([[id], 2]);
    expect(hub.peerAddress(id)).toBe(address);
    await moveTo('replica-2');
    await look();
    expect([hub.peerAddress(id), gone]).toEqual([undefined, [id, id]]);
  });

  test('an address is told of before its peer is there; a peer that gets another one is gone from the old', async () => {
    await joinNode(1);
    const [id = ''] = [...world.peers.keys()];
    expect([taken, gone]).toEqual([[[address, undefined]], []]);
    await ground.store.write(localRoot.principal, (tx) =>
      tx.updateTable('tunnel_peers').set({ address: '10.90.0.77', revision: 9 }).execute(),
    );
    await look();
    expect([hub.peerAddress(id), gone, taken.at(-1)]).toEqual(['10.90.0.77', [id], ['10.90.0.77', undefined]]);
  });

  test('addresses are answered while there is an interface; those of other hubs stand in the view', async () => {
    expect(await hub.answerFor(new Set(['10.90.0.9']))).toEqual(new Set(['10.90.0.9']));
    world.lose();
    expect(await hub.answerFor(new Set(['10.90.0.9']))).toEqual(new Set());
    await look();
    expect(desk.view().relayed).toBeUndefined();
    const node = { name: 'site-9', address: '10.90.0.9', port: 8_080, replicaId: 'replica-2', connections: 0 };
    relayed = [{ ...node, error: null }];
    expect(desk.view().relayed).toEqual(relayed);
  });
});

test('without a hub everything says so', async () => {
  const { store, clock, keyFiles } = ground;
  const none = new TunnelDesk({
    hub: undefined,
    relayed: () => [],
    store,
    secrets,
    keyFiles,
    range,
    replicaId: 'replica-1',
    clock,
  });
  expect(() => none.view()).toThrow('the tunnel is off on this replica');
  expect(await codeOf(none.peer(localRoot, 'x'))).toBe('NOT_AVAILABLE');
});

describe('settings for the other side (X9)', () => {
  test('hold the hub, the client’s address, and no secret', async () => {
    await desk.add(localRoot, { name: 'laptop', wireguardPublicKey: key('L'), rosenpassPublicKey: rosenpass(1) });
    const { files } = exportPeer(await desk.row(localRoot, 'laptop'), desk.address(), 'toml');
    expect(files['rosenpass.toml']).toContain('endpoint = "hub.example:9999"');
    expect(files['rosenpass0.conf']).toContain('Table = off');
    expect(files['rosenpass0.conf']).toContain('Address = 10.90.0.2/32');
    expect(files['rosenpass0.conf']).not.toMatch(/PresharedKey|^PrivateKey/m);
  });

  test('rp wants WireGuard on the next port', async () => {
    await desk.add(localRoot, { name: 'laptop', wireguardPublicKey: key('L') });
    const row = await desk.row(localRoot, 'laptop');
    expect(() => exportPeer(row, desk.address(), 'rp')).toThrow('rp wants WireGuard on the port after');
    const next = { ...desk.address(), wireguardEndpoint: 'hub.example:10000' };
    expect(exportPeer(row, next, 'rp').files['wgpk']).toBe(desk.address().wireguardPublicKey);
  });
});
