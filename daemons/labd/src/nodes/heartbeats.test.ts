import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { codeOf, localRoot } from '../login/testing/callers.ts';
import { getNode, nodeLiveness, presentDetail, presentNode } from './node-rows.ts';
import { heartbeat, newNodeToken, type NodeGround, openNodeGround, registration } from './testing/node-ground.ts';

const worker = system('test');
const second = 1_000;

async function joined(ground: NodeGround, name: string) {
  const text = await newNodeToken(ground, { name });
  const { answer } = await ground.registry.register(registration(text));
  return { text, id: answer.node_id ?? '', token: await ground.registry.token(text) };
}
const nodeOf = (ground: NodeGround, ref: string) => ground.store.read(worker, (db) => getNode(db, ref));
const shown = async (ground: NodeGround, ref: string) =>
  presentNode(await nodeOf(ground, ref), ground.clock.wall(), ground.staleMs);

describe('heartbeats (N5, N7)', () => {
  test('a node is what it says, and heard when it said so', async () => {
    await using ground = await openNodeGround();
    const { id, token } = await joined(ground, 'site-a');
    expect(await shown(ground, id)).toMatchObject({ status: 'online', state: null, models: 2, totalEndpoints: 2 });
    await ground.clock.advance(10 * second);
    const beat = heartbeat(id, { state: 'degraded', error_message: 'a\u001b]0;x\u0007b' }, { mode: 'drain' });
    expect(await ground.heartbeats.beat(token, beat)).toEqual({ success: true, message: null, requested_state: null });
    expect(await shown(ground, 'site-a')).toMatchObject({
      state: 'degraded',
      mode: 'drain',
      error: 'a ]0;x b',
      healthyEndpoints: 1,
      activeRequests: 3,
      totalRequests: 40,
      totalErrors: 5,
      uptimeSeconds: 6.5,
      lastSeenAt: new Date(ground.clock.wall()).toISOString(),
    });
  });

  test('capabilities change when it brings some; their models are in the detail', async () => {
    await using ground = await openNodeGround();
    const { id, token } = await joined(ground, 'site-a');
    const capabilities = {
      models: [{ id: 'a\u202ex' }],
      endpoint_count: 1,
      max_concurrent_requests: 1,
      supports_streaming: true,
      supports_chat: true,
      supports_completions: false,
      slugs: [],
      rack: 'b2',
    };
    await ground.heartbeats.beat(token, heartbeat(id, {}, { capabilities }));
    await ground.heartbeats.beat(token, heartbeat(id));
    const row = await nodeOf(ground, id);
    expect(presentDetail(row, ground.clock.wall(), ground.staleMs)).toMatchObject({ models: 1, modelIds: ['a x'] });
    expect(row.capabilities).not.toContain('rack');
  });

  test('a token speaks for its own node alone, once that is registered', async () => {
    await using ground = await openNodeGround();
    const [a, b] = [await joined(ground, 'a'), await joined(ground, 'b')];
    expect(await codeOf(ground.heartbeats.beat(a.token, heartbeat(b.id)))).toBe('PERMISSION_DENIED');
    const unbound = await ground.registry.token(await newNodeToken(ground));
    expect(await codeOf(ground.heartbeats.beat(unbound, heartbeat(a.id)))).toBe('NOT_FOUND');
    await ground.lifecycle.remove(localRoot, a.id);
    expect(await codeOf(ground.heartbeats.beat(a.token, heartbeat(a.id)))).toBe('NOT_FOUND');
  });

  test('a banned node and one that vanished do not spoil the beats of others in the same group', async () => {
    await using ground = await openNodeGround();
    const [a, b, c] = [await joined(ground, 'a'), await joined(ground, 'b'), await joined(ground, 'c')];
    await ground.lifecycle.ban(localRoot, a.id);
    await ground.lifecycle.remove(localRoot, b.id);
    const beats = [a, b, c, c].map(({ token, id }) => codeOf(ground.heartbeats.beat(token, heartbeat(id))));
    expect(await Promise.all(beats)).toEqual(['BANNED', 'NOT_FOUND', 'none', 'none']);
  });
});

test('beats that the store does not take are turned away before they fill the memory', async () => {
  await using ground = await openNodeGround();
  const { id, token } = await joined(ground, 'site-a');
  const held = Promise.withResolvers<void>();
  const write = ground.store.write(worker, () => held.promise);
  const beats = Array.from({ length: 4_097 }, () => codeOf(ground.heartbeats.beat(token, heartbeat(id))));
  expect(await beats.at(-1)).toBe('RATE_LIMITED');
  held.resolve();
  await write;
  expect(new Set(await Promise.all(beats.slice(0, -1)))).toEqual(new Set(['none']));
  expect(await codeOf(ground.heartbeats.beat(token, heartbeat(id)))).toBe('none');
});

test('H6: online to 30 s of silence, stale to 90 s, then offline', async () => {
  await using ground = await openNodeGround();
  const { id, token } = await joined(ground, 'site-a');
  const seen: string[] = [];
  for (const seconds of [30, 0.001, 59.999, 0.001]) {
    await ground.clock.advance(seconds * second);
    seen.push((await shown(ground, id)).status);
  }
  expect(seen).toEqual(['online', 'stale', 'stale', 'offline']);
  await ground.heartbeats.beat(token, heartbeat(id));
  expect((await shown(ground, id)).status).toBe('online');
  expect(nodeLiveness({ state: 'active', last_seen_at: null }, 0, 30 * second)).toBe('offline');
  expect(nodeLiveness({ state: 'banned', last_seen_at: 0 }, 0, 30 * second)).toBe('banned');
});
