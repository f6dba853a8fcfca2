import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { system } from '@labmesh/wire/fleet/principal';
import { provisionalNodeId } from '@labmesh/wire/ids';
import { codeOf, localRoot, storedText } from '../login/testing/callers.ts';
import { getNode } from './node-rows.ts';
import { newNodeToken, type NodeGround, openNodeGround, registration } from './testing/node-ground.ts';
import { fingerprint, keysOf, RememberingTunnel, rosenpassKey } from './testing/remembering-tunnel.ts';

const worker = system('test');
const nodeOf = (ground: NodeGround, ref: string) => ground.store.read(worker, (db) => getNode(db, ref));
const keyFile = (ground: NodeGround, seed: number | string) =>
  join(ground.dataDir, 'keys', `${fingerprint(rosenpassKey(seed)).slice(7)}.pk`);
const day = 86_400_000;

describe('registration without a tunnel (N1, N3)', () => {
  test('binds the token to one node, gives no address, and is the same again when it is repeated', async () => {
    await using ground = await openNodeGround();
    const token = await newNodeToken(ground, { name: 'site-a', region: 'eu', tenant: 'acme' });
    const request = registration(token, keysOf(1), { region: 'us', description: 'a\u001b[2Jb' });
    const first = await ground.registry.register(request);
    expect(first.answer).toMatchObject({ success: true, wireguard_address: null, heartbeat_s: 10, proto: [1] });
    expect(first.answer.conplane).toBeUndefined();
    const again = await ground.registry.register(request);
    expect(again.answer).toEqual(first.answer);
    expect([first.isNew, again.isNew]).toEqual([true, false]);
    const node = await nodeOf(ground, 'site-a');
    expect(node).toMatchObject({ id: first.answer.node_id ?? '', tenant: 'acme', region: 'eu', description: 'a [2Jb' });
    expect(node.rosenpass_sha256).toBe(fingerprint(rosenpassKey(1)));
    expect((await ground.tokens.list(localRoot, { limit: 10 })).items).toMatchObject([
      { state: 'bound', nodeId: first.answer.node_id, name: 'site-a' },
    ]);
  });

  test('the name is the operator’s, else the provisional id', async () => {
    await using ground = await openNodeGround();
    const token = await newNodeToken(ground);
    const { node } = await ground.registry.register(registration(token));
    expect(node?.name).toBe(provisionalNodeId(token));
  });

  test('neither token nor its hash is anywhere but in the one column', async () => {
    await using ground = await openNodeGround();
    const token = await newNodeToken(ground);
    await ground.registry.register(registration(token, keysOf(1)));
    const texts = await storedText(ground.store);
    expect(texts).toContain(token.slice(0, 14));
    expect(texts).not.toContain(token.slice(15));
  });

  test('unknown, malformed, revoked and expired tokens are refused before anything is kept', async () => {
    await using ground = await openNodeGround();
    const code = (token: string) => codeOf(ground.registry.token(token));
    expect(await code(`lmn_0123456789_${'a'.repeat(43)}`)).toBe('TOKEN_INVALID');
    expect(await code('lmj_00000000_x')).toBe('TOKEN_INVALID');
    const expired = await newNodeToken(ground, { ttlMs: 1_000 });
    await ground.clock.advance(1_000);
    expect(await code(expired)).toBe('TOKEN_EXPIRED');
    const revoked = await newNodeToken(ground);
    await ground.registry.register(registration(revoked));
    await ground.tokens.revoke(localRoot, revoked.slice(0, 14));
    expect(await code(revoked)).toBe('TOKEN_INVALID');
    expect(await codeOf(ground.registry.register(registration(revoked)))).toBe('TOKEN_INVALID');
  });
});

describe('keys (tunnel K3, K6, K7)', () => {
  test('the key is a file of its own, world-readable, and no draft stays', async () => {
    await using ground = await openNodeGround();
    await ground.registry.register(registration(await newNodeToken(ground), keysOf(1)));
    const path = keyFile(ground, 1);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(await Bun.file(path).bytes()).toEqual(new Uint8Array(rosenpassKey(1)));
    expect(readdirSync(join(ground.dataDir, 'keys'))).toHaveLength(1);
  });

  test('by digest: asked for the key until it is known, then not', async () => {
    await using ground = await openNodeGround();
    const token = await newNodeToken(ground);
    const keys = keysOf(1);
    const byDigest = { ...keys, rosenpass_public_key: '', rosenpass_public_key_sha256: fingerprint(rosenpassKey(1)) };
    const asked = await ground.registry.register(registration(token, byDigest));
    expect(asked.answer).toMatchObject({ success: true, need_rosenpass_key: true, wireguard_address: null });
    expect(asked.answer.node_id).toBeUndefined();
    const whole = await ground.registry.register(registration(token, keys));
    expect(whole.answer.need_rosenpass_key).toBeUndefined();
    const hex = { ...byDigest, rosenpass_public_key_sha256: byDigest.rosenpass_public_key_sha256.slice(7) };
    expect((await ground.registry.register(registration(token, hex))).answer).toEqual(whole.answer);
  });

  test.each([
    ['a character short', (text: string) => text.slice(1)],
    ['not base64', (text: string) => `-${text.slice(1)}`],
    ['padded', (text: string) => `${text.slice(2)}==`],
    ['short', () => 'AAAA'],
  ])('%s: ROSENPASS_KEY_INVALID, and nothing is kept', async (_, spoil) => {
    await using ground = await openNodeGround();
    const keys = keysOf(1);
    const request = registration(await newNodeToken(ground), {
      ...keys,
      rosenpass_public_key: spoil(keys.rosenpass_public_key),
    });
    expect(await codeOf(ground.registry.register(request))).toBe('ROSENPASS_KEY_INVALID');
    expect(existsSync(join(ground.dataDir, 'keys'))).toBe(false);
  });

  test('a digest of another key is refused; so are WireGuard keys that are none', async () => {
    await using ground = await openNodeGround();
    const token = await newNodeToken(ground);
    const other = { ...keysOf(1), rosenpass_public_key_sha256: fingerprint(rosenpassKey(2)) };
    expect(await codeOf(ground.registry.register(registration(token, other)))).toBe('ROSENPASS_KEY_INVALID');
    for (const key of ['', 'x', `${'A'.repeat(43)}=`, `${'A'.repeat(42)}B=`, 'A'.repeat(44)])
      expect(await codeOf(ground.registry.register(registration(token, keysOf(1, key))))).toBe('VALIDATION_FAILED');
  });

  test('a key of another node is a conflict, whichever of the two it is', async () => {
    await using ground = await openNodeGround();
    const first = keysOf(1);
    await ground.registry.register(registration(await newNodeToken(ground), first));
    const token = await newNodeToken(ground);
    for (const keys of [
      first,
      { ...first, ...keysOf(1) },
      { ...keysOf(2), wireguard_public_key: first.wireguard_public_key },
    ])
      expect(await codeOf(ground.registry.register(registration(token, keys)))).toBe('CONFLICT');
    expect((await ground.registry.register(registration(token, keysOf(2)))).isNew).toBe(true);
  });

  test('changed keys are refused and told, unless the token allows it', async () => {
    await using ground = await openNodeGround();
    const token = await newNodeToken(ground, { name: 'site-a' });
    const was = keysOf(1);
    await ground.registry.register(registration(token, was));
    const told: unknown[] = [];
    for (const keys of [keysOf(1), keysOf(2, was.wireguard_public_key), { ...was, rosenpass_public_key: '' }]) {
      const work = ground.registry.register(registration(token, keys), (node, before, found) =>
        told.push([node.name, before.rosenpass, found.wireguard]),
      );
      expect(await codeOf(work)).toBe('PIN_MISMATCH');
    }
    expect(told.at(-1)).toEqual(['site-a', fingerprint(rosenpassKey(1)), was.wireguard_public_key]);
    const free = await newNodeToken(ground, { allowRekey: true });
    await ground.registry.register(registration(free, keysOf(3)));
    const changed = await ground.registry.register(registration(free, keysOf(4)));
    expect(changed).toMatchObject({ isNew: false, was: { rosenpass: fingerprint(rosenpassKey(3)) } });
  });
});

describe('registration at a hub (tunnel H1, H5, K4, K6)', () => {
  test('the answer names the hub and its key; who knows the key is not sent it again', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const request = registration(await newNodeToken(ground), {
      ...keysOf(1),
      tunnel_caps: { versions: ['V03', 'V02'], ciphertexts: ['pc188', 'r4-156'] },
    });
    const { answer } = await ground.registry.register(request);
    expect(answer.wireguard_address).toBe('10.90.0.2/32');
    expect(answer.conplane).toEqual({
      tunnel_address: '10.90.0.1',
      wireguard_public_key: tunnel.hub.wireguardPublicKey,
      wireguard_endpoint: 'hub.test:51820',
      rosenpass_public_key: rosenpassKey('hub').toString('base64'),
      rosenpass_sha256: tunnel.hub.rosenpassSha256,
      rosenpass_endpoint: 'hub.test:9999',
      rosenpass_version: 'V03',
      rosenpass_ciphertext: 'pc188',
    });
    expect([...tunnel.peers.values()]).toMatchObject([
      { kind: 'node', address: '10.90.0.2', rosenpass_version: 'V03', require_pq: 1, replica_id: 'replica-1' },
    ]);
    // Of the proxy (H6): older nodes do not tell it.
    expect([...tunnel.peers.values()][0]?.proxy_port).toBeNull();
    await ground.registry.register({ ...request, proxy_port: 8_081 });
    expect([...tunnel.peers.values()][0]?.proxy_port).toBe(8_081);
    for (const known of [tunnel.hub.rosenpassSha256, tunnel.hub.rosenpassSha256.slice(7)]) {
      const again = await ground.registry.register({ ...request, known_rosenpass_sha256: known });
      expect(again.answer.conplane?.rosenpass_public_key).toBeUndefined();
    }
    expect(tunnel.peers.size).toBe(1);
  });

  test('who tells no capabilities speaks V02 and pc188 and is told nothing of it', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const { answer } = await ground.registry.register(registration(await newNodeToken(ground), keysOf(1)));
    expect(answer.conplane?.rosenpass_version).toBeUndefined();
    expect([...tunnel.peers.values()]).toMatchObject([{ rosenpass_version: 'V02', rosenpass_ciphertext: 'pc188' }]);
  });

  test('an operator’s word lets one key in, once', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const token = await newNodeToken(ground);
    await ground.registry.register(registration(token, keysOf(1)));
    await ground.store.write(worker, (tx) =>
      tx
        .updateTable('tunnel_peers')
        .set({ trusted_sha256: fingerprint(rosenpassKey(2)) })
        .execute(),
    );
    expect(await codeOf(ground.registry.register(registration(token, keysOf(3))))).toBe('PIN_MISMATCH');
    const next = keysOf(2);
    await ground.registry.register(registration(token, next));
    expect([...tunnel.peers.values()]).toMatchObject([
      { rosenpass_sha256: fingerprint(rosenpassKey(2)), trusted_sha256: null, address: '10.90.0.2' },
    ]);
    expect(await codeOf(ground.registry.register(registration(token, keysOf(2))))).toBe('PIN_MISMATCH');
    expect((await ground.registry.register(registration(token, next))).was).toBeUndefined();
  });

  test('a key of a foreign peer is a conflict', async () => {
    await using ground = await openNodeGround({ tunnel: new RememberingTunnel() });
    const keys = keysOf(1);
    await ground.registry.register(registration(await newNodeToken(ground), keys));
    await ground.store.write(worker, async (tx) => {
      await tx.updateTable('tunnel_peers').set({ kind: 'foreign', node_id: null }).execute();
      await tx.deleteFrom('nodes').execute();
    });
    const token = await newNodeToken(ground);
    expect(await codeOf(ground.registry.register(registration(token, keys)))).toBe('CONFLICT');
  });

  test('50 nodes at once have 50 addresses, in the device before their answers', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const tokens = await Promise.all(Array.from({ length: 50 }, () => newNodeToken(ground)));
    const answers = await Promise.all(
      tokens.map(async (token, n) => {
        const { answer } = await ground.registry.register(registration(token, keysOf(n)));
        expect([...tunnel.peers.values()].some(({ node_id: id }) => id === answer.node_id)).toBe(true);
        return answer.wireguard_address ?? '';
      }),
    );
    const wanted = Array.from({ length: 50 }, (_, n) => `10.90.0.${n + 2}/32`);
    expect(answers.toSorted()).toEqual(wanted.toSorted());
  });

  test('50 registrations of one token are one node', async () => {
    await using ground = await openNodeGround({ tunnel: new RememberingTunnel() });
    const request = registration(await newNodeToken(ground), keysOf(1));
    const answers = await Promise.all(Array.from({ length: 50 }, () => ground.registry.register(request)));
    expect(new Set(answers.map(({ answer }) => `${answer.node_id} ${answer.wireguard_address}`)).size).toBe(1);
  });

  test('a full range says so; an address rests a day before its next use', async () => {
    await using ground = await openNodeGround({ tunnel: new RememberingTunnel(), range: '10.0.0.0/30' });
    const { answer } = await ground.registry.register(registration(await newNodeToken(ground)));
    expect(answer.wireguard_address).toBe('10.0.0.2/32');
    const token = await newNodeToken(ground);
    const next = () => codeOf(ground.registry.register(registration(token)));
    expect(await next()).toBe('CONFLICT');
    await ground.lifecycle.remove(localRoot, answer.node_id ?? '');
    await ground.clock.advance(day);
    expect(await next()).toBe('CONFLICT');
    await ground.clock.advance(1);
    expect(await next()).toBe('none');
  });
});

test('H15: who is turned away leaves no key behind', async () => {
  await using ground = await openNodeGround();
  const token = await newNodeToken(ground);
  await ground.registry.register(registration(token, keysOf(1)));
  const other = await newNodeToken(ground);
  await ground.lifecycle.ban(localRoot, (await ground.registry.token(token)).node_id ?? '');
  for (let n = 2; n < 6; n++)
    expect(await codeOf(ground.registry.register(registration(token, keysOf(n))))).toBe('BANNED');
  await ground.registry.register(registration(other, keysOf(6)));
  for (let n = 7; n < 9; n++)
    expect(await codeOf(ground.registry.register(registration(other, keysOf(n))))).toBe('PIN_MISMATCH');
  expect(readdirSync(join(ground.dataDir, 'keys'))).toHaveLength(2);
});
