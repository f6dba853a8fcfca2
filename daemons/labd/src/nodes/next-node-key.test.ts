import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { system } from '@labmesh/wire/fleet/principal';
import { codeOf } from '../login/testing/callers.ts';
import { getNode } from './node-rows.ts';
import { noteTakenKey } from './peer-rows.ts';
import { newNodeToken, type NodeGround, openNodeGround, registration } from './testing/node-ground.ts';
import {
  fingerprint,
  keysOf,
  proofOf,
  RememberingTunnel,
  rosenpassKey,
  wireguardKey,
} from './testing/remembering-tunnel.ts';

const worker = system('test');

/** A node that has joined, and what it says of a next key. */
async function joined(ground: NodeGround, seed = 1, name = 'site-a') {
  const token = await newNodeToken(ground, { name });
  const own = wireguardKey();
  const { node } = await ground.registry.register(registration(token, keysOf(seed, own)));
  const say = (next: string, proof?: string, wireguard = own, rosenpass = seed) =>
    ground.registry.register({
      ...registration(token, keysOf(rosenpass, wireguard)),
      next_wireguard_public_key: next,
      ...(proof !== undefined && { next_wireguard_proof: proof }),
    });
  const prove = (next: string) => proofOf(fingerprint(rosenpassKey(seed)), own, next);
  return { token, own, say, prove, id: node?.id ?? '' };
}
const taken = (found: { answer: { next_wireguard_public_key?: string | undefined } }) =>
  found.answer.next_wireguard_public_key;

describe('a node’s next WireGuard key (K8, K6)', () => {
  test('is taken on the proof of its exchange, and again without; it stays beside the same present key, named or not', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const { own, say, prove, token } = await joined(ground);
    const next = wireguardKey();
    expect(taken(await say(next))).toBeUndefined();
    expect(taken(await say(next, prove(next)))).toBe(next);
    const [peer] = tunnel.peers.values();
    expect(peer).toMatchObject({ wireguard_public_key: own, next_wireguard_public_key: next });
    expect((await say(next)).answer.next_wireguard_proof).toBe(proofOf('taken', own, next));
    expect(taken(await say(next))).toBe(next);
    // Whoever has the token and both public keys could take it from a node that is about to use it.
    expect(taken(await ground.registry.register(registration(token, keysOf(1, own))))).toBe(next);
    // A proof of a key is of that one alone.
    const other = wireguardKey();
    expect(taken(await say(other, prove(next)))).toBe(next);
    expect(taken(await say(other, prove(other)))).toBe(other);
    const { store } = ground;
    const { id } = peer ?? {};
    await store.write(worker, (tx) =>
      tx
        .updateTable('tunnel_peers')
        .set({ trusted_sha256: fingerprint(rosenpassKey(9)) })
        .where('id', '=', id ?? '')
        .execute(),
    );
    // Nor does another Rosenpass key that was let in.
    expect(taken(await ground.registry.register(registration(token, keysOf(9, own))))).toBe(other);
  });

  test('is the node’s own from its first use on; its token alone brings no other', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const { say, prove, token, own, id } = await joined(ground);
    const [next, other] = [wireguardKey(), wireguardKey()];
    const as = (key: string) => ground.registry.register(registration(token, keysOf(1, key)));
    expect(await codeOf(as(next))).toBe('PIN_MISMATCH');
    await say(next, prove(next));
    expect(await codeOf(as(other))).toBe('PIN_MISMATCH');
    expect(await codeOf(ground.registry.register(registration(token, keysOf(2, next))))).toBe('PIN_MISMATCH');
    const [peer] = tunnel.peers.values();
    const note = (key: string) => ground.store.write(worker, (tx) => noteTakenKey(tx, peer?.id ?? '', key));
    await note(other);
    await note(next);
    const node = await ground.store.read(worker, (db) => getNode(db, id));
    expect(node.wireguard_public_key).toBe(next);
    expect((await as(next)).node?.id).toBe(id);
    expect([...tunnel.peers.values()][0]).toMatchObject({
      wireguard_public_key: next,
      next_wireguard_public_key: null,
    });
    // The old one is gone.
    expect(await codeOf(as(own))).toBe('PIN_MISMATCH');
  });

  test('that was used before the hub could note it comes in by registering, and none that was not', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const { say, prove, token, id, own } = await joined(ground);
    const next = wireguardKey();
    await say(next, prove(next));
    // Its token alone says nothing of what the node uses: both go on answering.
    expect((await ground.registry.register(registration(token, keysOf(1, next)))).node?.id).toBe(id);
    expect(await ground.store.read(worker, (db) => getNode(db, id))).toMatchObject({ wireguard_public_key: own });
    expect([...tunnel.peers.values()][0]).toMatchObject({
      wireguard_public_key: own,
      next_wireguard_public_key: next,
    });
    tunnel.used.add(next);
    expect((await ground.registry.register(registration(token, keysOf(1, next)))).node?.id).toBe(id);
    expect(await ground.store.read(worker, (db) => getNode(db, id))).toMatchObject({ wireguard_public_key: next });
  });

  test('of somebody else is taken by nobody, present or next', async () => {
    await using ground = await openNodeGround({ tunnel: new RememberingTunnel() });
    const [one, two] = [await joined(ground), await joined(ground, 2, 'site-b')];
    const next = wireguardKey();
    expect(taken(await one.say(two.own, one.prove(two.own)))).toBeUndefined();
    await one.say(next, one.prove(next));
    expect(taken(await two.say(next, two.prove(next)))).toBeUndefined();
    const stranger = await newNodeToken(ground, { name: 'site-c' });
    expect(await codeOf(ground.registry.register(registration(stranger, keysOf(3, next))))).toBe('CONFLICT');
  });

  test('whatever else is told is none, and nothing throws', async () => {
    await using ground = await openNodeGround({ tunnel: new RememberingTunnel() });
    const { say, own, prove } = await joined(ground);
    expect(taken(await say(own, prove(own)))).toBeUndefined();
    const anything = fc.asyncProperty(
      fc.string({ maxLength: 64 }),
      fc.string({ maxLength: 64 }),
      async (next, proof) => {
        expect(taken(await say(next, proof))).toBeUndefined();
      },
    );
    await fc.assert(anything, { numRuns: 20 });
  });
});
