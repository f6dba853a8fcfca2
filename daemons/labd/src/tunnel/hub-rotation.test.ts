/** K8 at the hub: who is waited for, who refuses, and what a process finds that died in between. */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import fc from 'fast-check';
import { codeOf, localRoot } from '../login/testing/callers.ts';
import {
  heartbeat,
  newNodeToken,
  type NodeGround,
  openNodeGround,
  registration,
} from '../nodes/testing/node-ground.ts';
import { keysOf, rosenpassKey, fingerprint } from '../nodes/testing/remembering-tunnel.ts';
import { HubRotation } from './hub-rotation.ts';
import { hasForeignPeers, nodesWithoutKey } from './nodes-without-key.ts';
import { readRotation } from './rotation-file.ts';
import { rememberingKeys, rememberingOpen } from './testing/remembering-open.ts';
import { TunnelHub } from './tunnel-hub.ts';

const dayMs = 86_400_000;
const [first, second] = [`sha256:${'f'.repeat(64)}`, `sha256:${'e'.repeat(64)}`];

const wireguardKeys = [1, 2].map((fill) => Buffer.alloc(32, fill).toString('base64'));

let ground: NodeGround;
let world: ReturnType<typeof rememberingOpen>;
let keys: ReturnType<typeof rememberingKeys>;
let hub: TunnelHub;
let told: string[];

const pathOf = () => join(ground.dataDir, 'rotation.json');
/** As a start of labd finds it. */
const openRotation = () =>
  new HubRotation({
    keys,
    path: pathOf(),
    nodesWithout: (sha256, wireguard) => nodesWithoutKey(ground.store, 'replica-1', sha256, wireguard),
    hasForeigners: () => hasForeignPeers(ground.store, 'replica-1'),
    tell: (what, old, next) => void told.push(`${what} ${old.slice(7, 8)} ${next.slice(7, 8)}`),
    clock: ground.clock,
    log: silentLogger,
  });

beforeEach(async () => {
  ground = await openNodeGround({
    tunnel: {
      conplane: () => hub.conplane(),
      ownKey: () => hub.ownKey(),
      nextKey: (peerId) => hub.nextKey(peerId),
      wireguardProof: (...asked) => hub.wireguardProof(...asked),
      takenProof: (...asked) => hub.takenProof(...asked),
      isNextKeyProven: (...asked) => hub.isNextKeyProven(...asked),
      isKeyUsed: (...asked) => hub.isKeyUsed(...asked),
      setPeer: (row) => hub.setPeer(row),
      removePeer: (id) => hub.removePeer(id),
    },
  });
  [world, keys, told] = [rememberingOpen(), rememberingKeys(), []];
  world.ground.rotation = openRotation();
  const { store, clock } = ground;
  const secrets = { open: () => new Uint8Array(32) };
  const parts = { store, secrets, ground: world.ground, replicaId: 'replica-1', onDevice: () => undefined, clock };
  hub = new TunnelHub({ ...parts, log: silentLogger });
  await hub.start();
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await ground[Symbol.asyncDispose]();
});

type Joined = { id: string; peer: string; token: string; register: (more?: object) => ReturnType<typeof answerOf> };
const answerOf = async (token: string, more: object) =>
  (await ground.registry.register(registration(token, { ...keysOf(1), ...more }))).answer;

async function joined(name: string): Promise<Joined> {
  const token = await newNodeToken(ground, { name });
  const shown = keysOf(name);
  const register = (more: object = {}) => answerOf(token, { ...shown, ...more });
  const { node_id: id = '' } = await register();
  const peer = [...world.peers.values()].find((one) => one.name === name)?.id ?? '';
  return { id, peer, token, register };
}
/** What the node tells every few seconds, and is told. */
async function beat({ id, token }: Joined, next?: string, wireguard = wireguardKeys[1]) {
  const tunnel = {
    state: 'up',
    pq: true,
    handshake_age_s: 1,
    ...(next !== undefined && { next_rosenpass_sha256: next, next_wireguard_public_key: wireguard }),
  };
  return ground.heartbeats.beat(await ground.registry.token(token), heartbeat(id, {}, { tunnel }));
}
/** What the reconciler does in this time. */
async function pass(ms: number) {
  for (let left = ms; left > 0; left -= 5_000) {
    await ground.clock.advance(Math.min(5_000, left));
    for (let turn = 0; turn < 60; turn++) await Bun.sleep(0);
  }
}
const phase = () => hub.view().rotation?.phase ?? 'none';
const refusal = (call: Promise<unknown>) => call.then(String, (error: { message: string }) => error.message);

describe('the hub changes its Rosenpass pair', () => {
  test('once every node takes the next key; the old pair goes with the first exchange with the new', async () => {
    const rack = await joined('rack');
    const [before, after] = wireguardKeys;
    const own = { wireguard_public_key: before };
    expect((await beat(rack)).conplane).toEqual({ rosenpass_sha256: first, ...own });
    expect(await hub.rotate(false)).toMatchObject({ phase: 'announced', waiting: ['rack'], newSha256: second });
    expect(await hub.rotate(false)).toMatchObject({ phase: 'announced', newSha256: second });
    expect((await beat(rack)).conplane).toEqual({
      rosenpass_sha256: first,
      next_rosenpass_sha256: second,
      ...own,
      next_wireguard_public_key: after,
    });
    await pass(60_000);
    expect(phase()).toBe('announced');
    await beat(rack, second);
    await pass(5_000);
    expect(phase()).toBe('promoted');
    await pass(5_000);
    expect(hub.view()).toMatchObject({ rosenpassSha256: second, rotation: { waiting: ['rack'] } });
    expect((await beat(rack)).conplane).toEqual({
      rosenpass_sha256: second,
      previous_rosenpass_sha256: first,
      wireguard_public_key: after,
    });
    // With the old one, which answers still.
    world.ground.rotation.exchanged(rack.peer, 0);
    await pass(600_000);
    expect(phase()).toBe('promoted');
    world.ground.rotation.exchanged(rack.peer, 1);
    await pass(5_000);
    expect(phase()).toBe('none');
    expect(keys.ownKey.fingerprint).toBe(second);
    expect(new Set(world.ownKeys.slice(0, -2))).toEqual(new Set(['answers 1', 'private 2']));
    expect(world.ownKeys.slice(-2)).toEqual(['begins 1', 'forgets 0']);
    expect(existsSync(pathOf())).toBe(false);
    expect(told).toEqual(['key_announced f e', 'key_promoted f e', 'key_deleted f e']);
  });

  test('a node that is away is waited for 24 h, and --now names it', async () => {
    const [here, away] = [await joined('here'), await joined('away')];
    expect(await refusal(hub.rotate(true))).toContain(
      'the next key is announced, and these nodes have not taken it yet: away, here',
    );
    await beat(here, second);
    expect(await refusal(hub.rotate(true))).toContain('not taken it yet: away');
    expect(await codeOf(hub.rotate(true))).toBe('CONFLICT');
    await pass(60_000);
    expect(phase()).toBe('announced');
    await ground.lifecycle.ban(localRoot, away.id);
    expect(await hub.rotate(true)).toMatchObject({ phase: 'promoted' });
    // Whoever was not heard yet may be on the old key.
    expect(await refusal(hub.rotate(true))).toContain('exchange with it: here');
    world.ground.rotation.exchanged(here.peer, 1);
    expect(await hub.rotate(true)).toMatchObject({ phase: 'done', newSha256: second, waiting: [] });
    expect(phase()).toBe('none');
  });

  test('24 h end each phase, whoever is waited for', async () => {
    await joined('away');
    await hub.rotate(false);
    await pass(15_000);
    await ground.clock.advance(dayMs);
    await pass(10_000);
    expect(phase()).toBe('promoted');
    await pass(600_000);
    expect(phase()).toBe('promoted');
    await ground.clock.advance(dayMs);
    await pass(10_000);
    expect([phase(), keys.ownKey.fingerprint]).toEqual(['none', second]);
  });

  test('with nobody to tell it needs no wait', async () => {
    expect(await hub.rotate(true)).toMatchObject({ phase: 'promoted' });
    expect(await hub.rotate(true)).toMatchObject({ phase: 'done' });
    expect(await hub.rotate(false)).toMatchObject({ phase: 'announced', oldSha256: second, newSha256: first });
  });
});

describe('a node that registers', () => {
  test('is given the next key once, with the proof, and never two keys in one answer', async () => {
    const rack = await joined('rack');
    await hub.rotate(false);
    const known = { known_rosenpass_sha256: first };
    // No exchange lately: nothing would show the node that it is our word.
    expect((await rack.register(known)).conplane).not.toHaveProperty('next_rosenpass_sha256');
    world.proof = 'ab'.repeat(32);
    const whole = (await rack.register()).conplane;
    expect(whole).toMatchObject({ rosenpass_public_key: 'AQID' });
    expect(whole).not.toHaveProperty('next_rosenpass_sha256');
    expect((await rack.register(known)).conplane).toMatchObject({
      rosenpass_sha256: first,
      next_rosenpass_sha256: second,
      next_rosenpass_public_key: 'AQIE',
      next_rosenpass_proof: world.proof,
    });
    const both = { ...known, known_next_rosenpass_sha256: second };
    const again = (await rack.register(both)).conplane;
    expect(again).toMatchObject({ next_rosenpass_sha256: second });
    expect(again).not.toHaveProperty('next_rosenpass_public_key');
    world.ground.rotation.promote();
    const promoted = (await rack.register(both)).conplane;
    expect(promoted).toMatchObject({ rosenpass_sha256: second });
    for (const field of ['rosenpass_public_key', 'next_rosenpass_sha256']) expect(promoted).not.toHaveProperty(field);
    // It was away when the key was announced, and is back while the old one answers.
    expect((await rack.register(known)).conplane).toMatchObject({
      rosenpass_sha256: first,
      next_rosenpass_sha256: second,
      next_rosenpass_public_key: 'AQIE',
    });
    world.proof = undefined;
    expect((await rack.register(known)).conplane).toMatchObject({ rosenpass_sha256: second });
    // Who knows neither is told the present one.
    expect((await rack.register()).conplane).toMatchObject({ rosenpass_sha256: second, rosenpass_public_key: 'AQIE' });
  });
});

describe('labd that died', () => {
  test('goes on where it was, at each step', async () => {
    const rotation = openRotation();
    // The pair was made, and nobody told of it.
    await keys.makeNext();
    expect(openRotation().isUnderWay).toBe(false);
    await rotation.begin();
    expect(openRotation().view()).toEqual(rotation.view());
    expect([openRotation().current.fingerprint, openRotation().next?.fingerprint]).toEqual([first, second]);
    rotation.promote();
    expect(openRotation().view()).toMatchObject({ phase: 'promoted' });
    expect([openRotation().current.fingerprint, openRotation().next]).toEqual([second, undefined]);
    // The pair took over, and the file is of yesterday.
    keys.promoteNext();
    const last = openRotation();
    expect([last.isUnderWay, last.current.fingerprint, existsSync(pathOf())]).toEqual([false, second, false]);
  });

  test('a next pair that is gone is missed, and the one before stays', async () => {
    await openRotation().begin();
    keys.nextKey = undefined;
    const left = openRotation();
    expect([left.isUnderWay, left.current.fingerprint]).toEqual([false, first]);
    await left.begin();
    expect(openRotation().isUnderWay).toBe(true);
  });

  test('a file that makes no sense is none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        writeFileSync(pathOf(), text);
        expect(readRotation(pathOf())).toBeUndefined();
      }),
    );
  });
});

test('what nodes say of themselves may be anything', async () => {
  const rack = await joined('rack');
  const sha256 = fingerprint(rosenpassKey('next'));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.json(), fc.constant(null)), async (status) => {
      await ground.store.write(localRoot.principal, (tx) => tx.updateTable('nodes').set({ status }).execute());
      expect(await nodesWithoutKey(ground.store, 'replica-1', sha256)).toEqual(['rack']);
    }),
    { numRuns: 50 },
  );
  await beat(rack, sha256.slice(7));
  expect(await nodesWithoutKey(ground.store, 'replica-1', sha256)).toEqual([]);
  expect(await nodesWithoutKey(ground.store, 'replica-2', sha256)).toEqual([]);
});

describe('and of WireGuard', () => {
  const [before = '', after = ''] = wireguardKeys;
  const record = () => readRotation(pathOf());

  test('once every node waits for it, too; the device takes it after it is on disk', async () => {
    const rack = await joined('rack');
    expect(await hub.rotate(false)).toMatchObject({ phase: 'announced', newWireguardPublicKey: after });
    await beat(rack, second, before);
    await pass(60_000);
    expect([phase(), hub.conplane().wireguardPublicKey]).toEqual(['announced', before]);
    await beat(rack, second);
    await pass(5_000);
    expect([phase(), hub.conplane().wireguardPublicKey]).toEqual(['promoted', after]);
    expect(hub.conplane().nextWireguardPublicKey).toBeUndefined();
    expect([world.ownKeys, record()?.newWireguard]).toEqual([['answers 1', 'private 2'], after]);
    await pass(60_000);
    expect(world.ownKeys).toHaveLength(2);
  });

  test('that the device refuses is given again, and what was begun goes on', async () => {
    world.isDeaf = true;
    expect(await thrower(hub.rotate(true))).toThrow('EIO');
    expect(phase()).toBe('promoted');
    await pass(10_000);
    expect(world.ownKeys).not.toContain('private 2');
    // Nothing answers the new one yet.
    expect(hub.conplane()).toMatchObject({ wireguardPublicKey: before, nextWireguardPublicKey: after });
    world.isDeaf = false;
    await pass(10_000);
    expect(hub.conplane().wireguardPublicKey).toBe(after);
    expect(hub.conplane().nextWireguardPublicKey).toBeUndefined();
    expect(world.ownKeys.filter((each) => each === 'private 2')).toHaveLength(1);
  });

  test('a process that died after its promotion was noted begins with it', async () => {
    await hub.rotate(false);
    const noted = record();
    writeFileSync(pathOf(), JSON.stringify({ ...noted, promotedAt: ground.clock.wall() }), { mode: 0o600 });
    expect(keys.wireguard.publicKey[0]).toBe(1);
    const rotation = openRotation();
    expect([rotation.wireguard, keys.nextWireguard]).toEqual([{ current: after }, undefined]);
    expect(rotation.keyForDevice).toBeUndefined();
    expect(openRotation().wireguard).toEqual({ current: after });
  });

  test('stays while there are nodes without a Rosenpass key, which would be cut by it', async () => {
    const token = await newNodeToken(ground, { name: 'plain' });
    const { wireguard_public_key } = keysOf(1);
    await ground.registry.register(registration(token, { wireguard_public_key, rosenpass_public_key: '' }));
    await hub.rotate(false);
    expect((await hub.rotate(true)).newWireguardPublicKey).toBeUndefined();
    expect([keys.nextWireguard, hub.conplane().wireguardPublicKey]).toEqual([undefined, before]);
  });

  test('stays while there are clients of other make, also ones that came meanwhile', async () => {
    const row = { id: 'laptop', created_at: 1, revision: 1, kind: 'foreign' as const, node_id: null, name: 'laptop' };
    const rest = { rosenpass_sha256: null, rosenpass_version: null, rosenpass_ciphertext: null, trusted_sha256: null };
    const more = { preshared_key_enc: null, endpoint: null, require_pq: 0 as const, removed_at: null };
    const peer = { ...row, ...rest, ...more, address: '10.90.0.99', replica_id: 'replica-1' };
    const key = { wireguard_public_key: Buffer.alloc(32, 7).toString('base64'), next_wireguard_public_key: null };
    expect(await hub.rotate(false)).toMatchObject({ newWireguardPublicKey: after });
    await ground.store.write(localRoot.principal, (tx) =>
      tx
        .insertInto('tunnel_peers')
        .values({ ...peer, ...key })
        .execute(),
    );
    expect((await hub.rotate(true)).newWireguardPublicKey).toBeUndefined();
    expect([phase(), keys.nextWireguard, hub.conplane().wireguardPublicKey]).toEqual(['promoted', undefined, before]);
    expect(world.ownKeys).not.toContain('private 2');
  });
});
