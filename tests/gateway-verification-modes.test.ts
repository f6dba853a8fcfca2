import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { wait } from '../packages/kit/src/http/testing/talk.ts';
import { bearer, errorOf, keyIdOf, until, VerificationGround } from './harness/verification-ground.ts';

/** An answer without what differs from call to call. */
const steady = (text: string) => text.replaceAll(/"(id|created)":("[^"]*"|\d+)/g, '');
const offerId = 'x-labmesh-verification-request';
const tool = [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":' } }];
const deltas = [{ tool_calls: tool }, { tool_calls: [{ index: 0, function: { arguments: '"é🦙"}' } }] }];
const whole = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":"é🦙"}' } }];

for (const http of ['raw', 'serve'] as const) {
  describe(`audit and shadow (${http})`, () => {
    test.each(['audit', 'shadow'] as const)('%s: the answer is left alone, then offered', async (mode) => {
      await using ground = await VerificationGround.start('', { engine: http });
      for (const stream of [false, true]) {
        const body = { stream, x_sim: stream ? { deltas } : { message: { tool_calls: whole } } };
        const plain = await (await ground.chat(body)).text();
        const block = { mode, variations: 2, max_wait_ms: 5_000 };
        const response = await ground.chat({ ...body, verification: block });
        expect(response.headers.get('x-labmesh-verification')).toBe('pending');
        expect(steady(await response.text())).toBe(steady(plain));
        await wait(() => ground.arena.offers.length === (stream ? 2 : 1));
        const offer = ground.arena.offers.at(-1)?.offer;
        expect(offer).toMatchObject({ mode, tenant: 'default', key: ground.keyId, block: { variations: 2 } });
        expect(offer?.requestId).toBe(response.headers.get(offerId) ?? '');
        expect(offer?.request).not.toHaveProperty('verification');
        expect(offer?.answer?.content).toStartWith('tok0 tok1');
        expect(offer?.answer?.tool_calls?.[0]?.function?.arguments).toBe('{"a":"é🦙"}');
        expect(offer?.usage?.completion_tokens).toBeGreaterThan(0);
      }
      await until(async () => (await ground.counted(mode, 'valid')) === 2);
      for (const { body } of ground.asked) expect(body).not.toContain('verification');
      expect((await ground.usage(ground.keyId))?.requests).toBe(4);
      await until(async () => (await (await ground.get('/metrics', {})).text()).includes('verification_held_bytes 0'));
    });
  });
}

describe('what is not looked at', () => {
  test('the share that sample leaves out, answers that failed or broke off, and several at once', async () => {
    await using ground = await VerificationGround.start('[verification]\nmode = "audit"');
    const unseen = await ground.chat({ verification: { sample: 0 } });
    expect(unseen.headers.get('x-labmesh-verification')).toBeNull();
    expect(await ground.counted('audit', 'skipped')).toBe(1);
    await (await ground.chat({ x_sim: { finish_reason: 'length' }, stream: true })).text();
    await wait(() => ground.arena.offers.length === 1);
    ground.engine.faults.generateStatus = 400;
    expect((await ground.chat()).status).toBe(400);
    delete ground.engine.faults.generateStatus;
    await (await ground.chat({ stream: true, x_sim: { chunk: { choices: [] } } })).text();
    await until(async () => (await ground.counted('audit', 'skipped')) >= 2);
    expect(ground.arena.offers).toHaveLength(1);
  });

  test('more than may wait is dropped and counted; no answer is held back', async () => {
    await using ground = await VerificationGround.start('[verification]\nmode = "shadow"\nwaiting_max = 3');
    ground.arena.script = async function* (_, signal) {
      while (!signal.aborted) yield 20;
    };
    // 64 are open towards the arena; of the 3 that may wait one tenant has half.
    const statuses = await Promise.all(Array.from({ length: 80 }, async () => (await ground.chat()).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    await until(async () => (await ground.counted('shadow', 'dropped')) === 14);
    await wait(() => ground.arena.offers.length === 64);
  });

  test('an arena that is away costs answers nothing', async () => {
    await using ground = await VerificationGround.start('[verification]\nmode = "audit"', { arena: 'none' });
    expect((await ground.chat()).status).toBe(200);
    expect(await ground.counted('audit', 'unavailable')).toBe(1);
    await using broken = await VerificationGround.start('[verification]\nmode = "audit"');
    await broken.arena[Symbol.asyncDispose]();
    expect((await broken.chat()).status).toBe(200);
    await until(async () => (await broken.counted('audit', 'verification_unavailable')) === 1);
    expect(broken.mesh.logged()).toContain('an answer was not verified');
    expect(broken.mesh.logged()).not.toContain('tok0');
  });
});

describe('which mode', () => {
  test('the request says, else its key, else its alias, else the gateway', async () => {
    const toml = '[verification]\nmode = "audit"\n[models.fast]\nmodel_id = "m"\nverification = "passthrough"';
    await using ground = await VerificationGround.start(toml);
    const strict = await ground.newKey({ verification: 'intercept', scopes: ['chat'] });
    const plain = await ground.newKey({ verification: 'passthrough' });
    const mode = async (body: object, key = ground.mesh.key) => {
      const response = await ground.chat(body, bearer(key));
      await response.text();
      return response.headers.get('x-labmesh-verification');
    };
    expect(await mode({})).toBe('pending');
    expect(await mode({ model: 'fast' })).toBeNull();
    expect(await mode({ model: 'fast' }, strict.key)).toBe('passed');
    expect(await mode({}, plain.key)).toBeNull();
    expect(await mode({ verification: { mode: 'intercept' } }, plain.key)).toBe('passed');
    expect(await mode({ model: 'fast', verification: {} })).toBeNull();
    // Without the scope nobody leaves the mode that an operator gave the key.
    const around = await ground.chat({ verification: { mode: 'passthrough' } }, bearer(strict.key));
    expect([around.status, (await errorOf(around)).code]).toEqual([403, 'insufficient_scope']);
    expect(await mode({}, strict.key)).toBe('passed');
    const off = bearer(strict.key, { 'x-labmesh-verify': 'off', 'x-labmesh-tenant': 'other' });
    expect((await ground.chat({ temperature: 0.1 }, off)).headers.get('x-labmesh-verification')).toBe('passed');
    expect(ground.arena.offers.at(-1)?.offer.tenant).toBe('default');
  });

  test('a mode that is none is refused at the start', async () => {
    expect(await thrower(VerificationGround.start('[verification]\nmode = "sometimes"'))).toThrow('sometimes');
    expect(await thrower(VerificationGround.start('[models.x]\nmodel_id = "m"\nverification = "?"'))).toThrow();
  });
});

describe("the arena's own calls", () => {
  const internal = (ground: VerificationGround, headers: Record<string, string>) =>
    bearer(ground.mesh.gateway.internalToken, { 'x-labmesh-verify': 'off', ...headers });

  test('are never verified again, and are booked to the key they are made for', async () => {
    await using ground = await VerificationGround.start('[verification]\nmode = "intercept"');
    const { id, key } = await ground.newKey({ tenant: 'acme', verification: 'intercept' });
    ground.arena.script = async function* (offer) {
      const origin = { 'x-labmesh-tenant': offer.tenant, 'x-labmesh-key': offer.key };
      for (const temperature of [0.1, 0.7]) {
        const response = await ground.chat(
          { ...offer.request, temperature, verification: { mode: 'intercept' } },
          internal(ground, origin),
        );
        expect(response.headers.get('x-labmesh-verification')).toBeNull();
        yield 1;
      }
      yield sampleResult();
    };
    expect((await ground.chat({}, bearer(key))).status).toBe(200);
    expect(ground.arena.offers).toHaveLength(1);
    expect(ground.asked).toHaveLength(2);
    for (const { body, headers } of ground.asked) {
      expect(body).not.toContain('verification');
      expect(JSON.stringify(headers)).not.toContain('acme');
    }
    expect(await ground.usage(id)).toMatchObject({ completionTokens: 16, requests: 3 });
    expect((await ground.usage(ground.keyId))?.requests).toBeUndefined();
  });

  test.each([
    ['no origin', {}],
    ['a key that is not there', { 'x-labmesh-tenant': 'default', 'x-labmesh-key': 'AAAAAAAAAAAA' }],
    ['the name of open access', { 'x-labmesh-tenant': 'default', 'x-labmesh-key': 'open' }],
  ])('with %s are refused', async (_, headers) => {
    await using ground = await VerificationGround.start();
    const response = await ground.chat({}, internal(ground, headers));
    expect([response.status, (await errorOf(response)).code]).toEqual([403, 'insufficient_scope']);
  });

  test("with another tenant than the key's are refused, and with one that was revoked meanwhile", async () => {
    await using ground = await VerificationGround.start();
    const { id, key } = await ground.newKey({ tenant: 'acme', scopes: ['chat', 'verify'] });
    const origin = { 'x-labmesh-tenant': 'acme', 'x-labmesh-key': id };
    expect(keyIdOf(key)).toBe(id);
    expect((await ground.chat({}, internal(ground, origin))).status).toBe(200);
    const wrong = { ...origin, 'x-labmesh-tenant': 'default' };
    expect((await ground.chat({}, internal(ground, wrong))).status).toBe(403);
    for (const path of ['/api/arena/runs', '/v1/certificates/c', '/api/arena'])
      expect([path, (await ground.get(path, internal(ground, origin))).status]).toEqual([path, 403]);
    await ground.admin('DELETE', `/keys/${id}`);
    expect((await ground.chat({}, internal(ground, origin))).status).toBe(403);
  });

  test('in open mode are told apart from anybody by the secret alone', async () => {
    await using ground = await VerificationGround.start(
      '[gateway.auth]\nopen = true\n[verification]\nmode = "intercept"',
    );
    const origin = { 'x-labmesh-tenant': 'default', 'x-labmesh-key': 'open' };
    expect((await ground.chat({}, internal(ground, origin))).headers.get('x-labmesh-verification')).toBeNull();
    const stranger = bearer('lmi_'.padEnd(ground.mesh.gateway.internalToken.length, 'x'), origin);
    expect((await ground.chat({}, stranger)).headers.get('x-labmesh-verification')).toBe('passed');
    expect(ground.arena.offers.at(-1)?.offer).toMatchObject({ tenant: 'default', key: 'open' });
  });
});

test('tenant and mode of a key are shown and kept; names are checked', async () => {
  await using ground = await VerificationGround.start();
  const { id } = await ground.newKey({ tenant: 'acme', verification: 'shadow' });
  const { keys } = (await ground.admin('GET', '/keys')) as { keys: Array<{ id: string; scopes: string[] }> };
  expect(keys.find((key) => key.id === id)).toMatchObject({ tenant: 'acme', verification: 'shadow' });
  expect(keys.find((key) => key.id === ground.keyId)).toMatchObject({
    tenant: 'default',
    scopes: expect.arrayContaining(['verify']),
  });
  for (const tenant of ['', '../x', 'A', 'a b', 'x'.repeat(65)])
    expect(await ground.admin('POST', '/keys', { name: 'k', tenant })).toMatchObject({ error: { param: 'tenant' } });
});
