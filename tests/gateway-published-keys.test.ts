/** GET /.well-known/jwks.json: what verifiers of certificates ask the gateway for, without a key of it (CT6). */
import { expect, test } from 'bun:test';
import { errorOf, VerificationGround } from './harness/verification-ground.ts';

const path = '/.well-known/jwks.json';
const key = { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA', kid: 'k1', x: 'AAAA' };

test('anybody reads them; the arena is asked once, and nothing but public members passes', async () => {
  await using ground = await VerificationGround.start();
  ground.arena.answer = () => Response.json({ keys: [{ ...key, d: 'PRIVATEPART' }], secret: 'PRIVATEPART' });
  const answers = await Promise.all(Array.from({ length: 8 }, () => ground.get(path, {})));
  for (const answer of answers) {
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, max-age=60']);
    expect(await answer.json()).toEqual({ keys: [key] });
  }
  expect(ground.arena.calls.map((call) => `${call.method} ${call.path}`)).toEqual(['GET /api/arena/jwks.json']);
  expect((await ground.get(path, { method: 'HEAD' })).status).toBe(200);
  expect((await ground.get(path, { method: 'POST' })).status).toBe(405);
});

test.each([
  ['too much', () => Response.json({ keys: [], more: 'x'.repeat(70_000) })],
  ['no keys', () => Response.json({ keys: 'none' })],
  ['no JSON', () => new Response('<html>')],
  ['a refusal', () => new Response('who are you?', { status: 401 })],
] as const)('%s of the arena is 503, without its words, and is not asked for again at once', async (_, answer) => {
  await using ground = await VerificationGround.start();
  ground.arena.answer = answer;
  for (let time = 0; time < 2; time++) {
    const refused = await ground.get(path, {});
    expect(refused.status).toBe(503);
    expect((await errorOf(refused)).code).toBe('verification_unavailable');
  }
  expect(ground.arena.calls).toHaveLength(1);
});

test('without an arena there are none', async () => {
  await using ground = await VerificationGround.start('', { arena: 'none' });
  expect((await ground.get(path, {})).status).toBe(503);
});
