import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { codeOf, localRoot } from '../login/testing/callers.ts';
import { findNode } from './node-rows.ts';
import { heartbeat, newNodeToken, openNodeGround, registration } from './testing/node-ground.ts';
import { keysOf, RememberingTunnel } from './testing/remembering-tunnel.ts';

async function openSite(name = 'site-a') {
  const tunnel = new RememberingTunnel();
  const ground = await openNodeGround({ tunnel });
  const token = await newNodeToken(ground, { name });
  const request = registration(token, keysOf(name));
  const { answer } = await ground.registry.register(request);
  const [peer] = [...tunnel.peers.values()];
  return { ground, tunnel, token, request, id: answer.node_id ?? '', peerId: peer?.id ?? '' };
}

describe('nodes leave (H3)', () => {
  test('a removed one has no peer, and comes back as itself, at its address', async () => {
    const { ground, tunnel, request, id, peerId } = await openSite();
    await using _ = ground;
    await ground.lifecycle.remove(localRoot, id);
    expect([tunnel.peers.size, tunnel.removed]).toEqual([0, [peerId]]);
    expect(await ground.store.read(system('test'), (db) => findNode(db, id))).toBeUndefined();
    const { answer, isNew, node } = await ground.registry.register(request);
    expect([answer.node_id, answer.wireguard_address, isNew]).toEqual([id, '10.90.0.2/32', true]);
    expect(node?.name).toBe('site-a');
    expect([...tunnel.peers.keys()]).toEqual([peerId]);
  });

  test('the same machine under another token: another node, another address, the same keys', async () => {
    const { ground, request, id } = await openSite();
    await using _ = ground;
    await ground.lifecycle.remove(localRoot, id);
    const token = await newNodeToken(ground);
    const { answer } = await ground.registry.register({ ...request, token });
    expect(answer.wireguard_address).toBe('10.90.0.3/32');
    expect(answer.node_id).not.toBe(id);
    // The old token now shows keys of somebody else.
    expect(await codeOf(ground.registry.register(request))).toBe('CONFLICT');
  });

  test('a banned one is refused with its token, with another token, and in heartbeats, until unban', async () => {
    const { ground, tunnel, token, request, id, peerId } = await openSite();
    await using _ = ground;
    expect((await ground.lifecycle.ban(localRoot, id)).state).toBe('banned');
    await ground.lifecycle.ban(localRoot, id);
    expect(tunnel.removed).toEqual([peerId]);
    expect(await codeOf(ground.registry.register(request))).toBe('BANNED');
    const other = await newNodeToken(ground);
    expect(await codeOf(ground.registry.register({ ...request, token: other }))).toBe('BANNED');
    const row = await ground.registry.token(token);
    expect(await codeOf(ground.heartbeats.beat(row, heartbeat(id)))).toBe('BANNED');
    expect((await ground.lifecycle.unban(localRoot, id)).state).toBe('active');
    expect(await codeOf(ground.lifecycle.unban(localRoot, id))).toBe('CONFLICT');
    // Its peer is gone: it has to come in by the door again.
    expect(await codeOf(ground.heartbeats.beat(row, heartbeat(id)))).toBe('NOT_FOUND');
    await ground.registry.register(request);
    expect(await codeOf(ground.heartbeats.beat(row, heartbeat(id)))).toBe('none');
    expect(tunnel.peers.size).toBe(1);
  });

  test('unknown ones are not found', async () => {
    const { ground } = await openSite();
    await using _ = ground;
    expect(await codeOf(ground.lifecycle.ban(localRoot, 'nobody'))).toBe('NOT_FOUND');
    expect(await codeOf(ground.lifecycle.unban(localRoot, 'nobody'))).toBe('NOT_FOUND');
  });
});
