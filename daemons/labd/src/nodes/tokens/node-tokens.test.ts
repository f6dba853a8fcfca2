import { describe, expect, test } from 'bun:test';
import { createNodeTokenSchema, nodeTokenSchema } from '@labmesh/wire/fleet/resources/nodes';
import { nodeTokenPattern } from '@labmesh/wire/ids';
import fc from 'fast-check';
import { codeOf, localRoot, storedText } from '../../login/testing/callers.ts';
import { makeNodeToken, readNodeToken } from './node-token-text.ts';
import { newNodeToken, openNodeGround, registration } from '../testing/node-ground.ts';
import { RememberingTunnel } from '../testing/remembering-tunnel.ts';

const day = 86_400_000;
const parse = (token: object) => createNodeTokenSchema.parse(token);
const list = async (ground: Awaited<ReturnType<typeof openNodeGround>>) =>
  (await ground.tokens.list(localRoot, { limit: 10 })).items;

describe('node tokens (N1)', () => {
  test('shown once with the onboarding string; stored as a hash', async () => {
    const tunnel = new RememberingTunnel();
    await using ground = await openNodeGround({ tunnel });
    const made = await ground.tokens.create(localRoot, parse({ name: 'site-a', tenant: 'acme' }));
    expect(made.token).toMatch(nodeTokenPattern);
    const [, payload = ''] = /^labmesh-node:1:([\w-]+)$/.exec(made.onboarding) ?? [];
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toEqual({
      url: 'https://labd.test:3102',
      token: made.token,
      ca_sha256: `sha256:${'a'.repeat(64)}`,
      wg_public_key: tunnel.hub.wireguardPublicKey,
      rp_sha256: tunnel.hub.rosenpassSha256,
    });
    expect(made.joinCommand).toBe(`printf %s ${made.onboarding} | sudo labman join --token-file -`);
    expect(await list(ground)).toEqual([nodeTokenSchema.parse(made)]);
    expect(made).toMatchObject({ state: 'unused', nodeId: null, createdBy: 'local:root', allowRekey: false });
    const texts = await storedText(ground.store);
    expect(texts).not.toContain(made.token.slice(15));
    expect(texts).toContain(made.prefix);
  });

  test('without a hub there are no pins of one', async () => {
    await using ground = await openNodeGround();
    const { onboarding } = await ground.tokens.create(localRoot, parse({}));
    const json = Buffer.from(onboarding.slice(15), 'base64url').toString();
    expect(Object.keys(JSON.parse(json) as object)).toEqual(['url', 'token', 'ca_sha256']);
  });

  test('a name belongs to one node', async () => {
    await using ground = await openNodeGround();
    const create = () => codeOf(ground.tokens.create(localRoot, parse({ name: 'site-a' })));
    expect([await create(), await create()]).toEqual(['none', 'CONFLICT']);
    const [token] = await list(ground);
    await ground.tokens.revoke(localRoot, token?.prefix ?? '');
    expect(await create()).toBe('none');
    await ground.registry.register(registration(await newNodeToken(ground, { name: 'site-b' })));
    expect(await codeOf(newNodeToken(ground, { name: 'site-b' }))).toBe('CONFLICT');
  });

  test('two tokens of one name, the older revoked and revived by nobody: the second node has a name of its own', async () => {
    await using ground = await openNodeGround();
    const first = await newNodeToken(ground, { name: 'site-a' });
    const { node } = await ground.registry.register(registration(first));
    await ground.lifecycle.remove(localRoot, node?.id ?? '');
    const second = await newNodeToken(ground, { name: 'site-a' });
    await ground.registry.register(registration(second));
    expect((await ground.registry.register(registration(first))).node?.name).toStartWith('node-');
  });

  test('rotated: another token for the same node, the old one good for a day more at most', async () => {
    await using ground = await openNodeGround();
    const old = await newNodeToken(ground, { name: 'site-a', ttlMs: 10 * day });
    expect(await codeOf(ground.tokens.rotate(localRoot, old.slice(0, 14)))).toBe('CONFLICT');
    const request = registration(old);
    const { node } = await ground.registry.register(request);
    const next = await ground.tokens.rotate(localRoot, old.slice(0, 14));
    expect(next).toMatchObject({ name: 'site-a', nodeId: node?.id ?? '', state: 'bound' });
    expect(Date.parse(next.expiresAt) - ground.clock.wall()).toBe(10 * day);
    const again = await ground.registry.register({ ...request, token: next.token });
    expect([again.isNew, again.node]).toEqual([false, expect.objectContaining({ id: node?.id })]);
    expect(await codeOf(ground.registry.token(old))).toBe('none');
    await ground.clock.advance(day);
    expect(await codeOf(ground.registry.token(old))).toBe('TOKEN_EXPIRED');
    expect(await codeOf(ground.registry.token(next.token))).toBe('none');
    expect(await codeOf(ground.tokens.rotate(localRoot, old.slice(0, 14)))).toBe('CONFLICT');
  });

  test('found by id, prefix or its digits; unknown ones are not, and nothing of them is repeated', async () => {
    await using ground = await openNodeGround();
    const made = await ground.tokens.create(localRoot, parse({}));
    for (const ref of [made.id, made.prefix, made.prefix.slice(4)])
      expect((await ground.tokens.revoke(localRoot, ref)).state).toBe('revoked');
    const error = await ground.tokens.revoke(localRoot, made.token).catch((reason: unknown) => reason);
    expect(String(error)).not.toContain(made.token.slice(15));
    expect(await codeOf(ground.tokens.revoke(localRoot, ''))).toBe('NOT_FOUND');
  });

  test('bounds: names, regions without control characters, ten years', () => {
    const isGood = (token: object) => createNodeTokenSchema.safeParse(token).success;
    expect(isGood({ name: 'a'.repeat(64), region: 'eu', ttlMs: 3_650 * day })).toBe(true);
    for (const bad of [
      { name: 'a'.repeat(65) },
      { name: 'A' },
      { region: 'a\n' },
      { tenant: '\u0007' },
      { ttlMs: 3_650 * day + 1 },
      { ttlMs: 0 },
      { nodeId: 'x' },
    ])
      expect(isGood(bad)).toBe(false);
  });
});

test('texts: what is made is read, anything else is not', () => {
  const { text, prefix, hash } = makeNodeToken();
  expect(readNodeToken(text)).toEqual({ prefix, hash });
  fc.assert(fc.property(fc.string(), (other) => expect(readNodeToken(other)).toBeUndefined()));
  for (const bad of [`${text}\n`, ` ${text}`, text.slice(1), text.replace('lmn', 'lmj')])
    expect(readNodeToken(bad)).toBeUndefined();
});
