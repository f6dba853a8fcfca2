import { describe, expect, test } from 'bun:test';
import { type Line, sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { chatCompletionSchema } from '@labmesh/wire/openai';
import { wait } from '../packages/kit/src/http/testing/talk.ts';
import { bearer, errorOf, messages, VerificationGround } from './harness/verification-ground.ts';

for (const http of ['raw', 'serve'] as const) {
  describe(`intercept (${http})`, () => {
    test('a whole answer: chosen by the arena, with report, usage of all variations and headers', async () => {
      await using ground = await VerificationGround.start('', { engine: http });
      const { arena } = ground;
      const response = await ground.verified({ variations: 3 }, { temperature: 0.5, x_vendor: { a: [1] } });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-verification-status')).toBe('valid');
      expect(response.headers.get('x-verification-certificate')).toBe('cert-1');
      expect(response.headers.get('x-labmesh-verification')).toBe('passed');
      const body = (await response.json()) as Record<string, unknown>;
      const whole = chatCompletionSchema.parse(body);
      expect(whole.choices[0]?.message.content).toBe('the verified answer');
      expect(whole.usage).toMatchObject({ prompt_tokens: 25, completion_tokens: 50, total_tokens: 75 });
      expect(body['verification']).toMatchObject({ status: 'valid', run_id: 'run-1', cached: false });
      expect(body).not.toHaveProperty('shadow_arena');
      expect(ground.asked).toHaveLength(0);
      const [{ offer, headers } = { offer: undefined, headers: {} as Record<string, string> }] = arena.offers;
      expect(offer).toMatchObject({ tenant: 'default', key: ground.keyId, mode: 'intercept' });
      expect(offer?.request).toEqual({ model: 'm', messages, temperature: 0.5, x_vendor: { a: [1] } });
      expect(offer?.block.variations).toBe(3);
      expect(offer?.requestId).toBe(response.headers.get('x-request-id') ?? '');
      expect(headers['authorization']).toBe(`Bearer ${ground.mesh.gateway.internalToken}`);
      expect(headers['x-labmesh-tenant']).toBe('default');
    });

    test('a stream: comments while it waits, deltas of at most 64 characters, usage, report, [DONE]', async () => {
      await using ground = await VerificationGround.start('[verification]\ncomment_s = 0.1', { engine: http });
      const { arena } = ground;
      const content = `${'é🦙x'.repeat(100)}end`;
      arena.script = function* (): Generator<Line> {
        yield 350;
        yield sampleResult({ answer: { role: 'assistant', content }, shadowArena: { success: true } });
      };
      const response = await ground.verified({}, { stream: true });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(response.headers.get('x-labmesh-verification')).toBe('pending');
      const text = await response.text();
      expect(text.match(/^: verifying$/gm)?.length).toBeGreaterThanOrEqual(2);
      const lines = text.split('\n').filter((line) => line.startsWith('data: '));
      expect(lines.at(-1)).toBe('data: [DONE]');
      const chunks = lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)));
      const deltas = chunks.map((chunk) => (chunk.choices[0]?.delta.content as string | undefined) ?? '');
      expect(deltas.join('')).toBe(content);
      expect(Math.max(...deltas.map((delta) => [...delta].length))).toBe(64);
      expect(deltas.every((delta) => delta.isWellFormed())).toBe(true);
      const last = chunks.at(-1);
      expect(last).toMatchObject({ usage: { total_tokens: 75 }, verification: { status: 'valid' } });
      expect(last.choices[0].finish_reason).toBe('stop');
    });

    test('a stream whose verdict comes soon has it in its head; a usage chunk only for who asked', async () => {
      await using ground = await VerificationGround.start('', { engine: http });
      const response = await ground.verified({}, { stream: true, stream_options: { include_usage: true } });
      expect(response.headers.get('x-verification-status')).toBe('valid');
      const text = await response.text();
      expect(text).toContain('"choices":[],"usage":{');
      expect(text).not.toContain(': verifying');
    });

    test('a client that leaves ends its run; the rest goes on', async () => {
      await using ground = await VerificationGround.start('[verification]\ncomment_s = 0.1', { engine: http });
      const { arena } = ground;
      arena.script = async function* (_, signal) {
        while (!signal.aborted) yield 20;
      };
      for (const stream of [false, true]) {
        const before = arena.aborted;
        const client = new AbortController();
        const request = ground.verified({}, { stream }, { signal: client.signal }).then((response) => response.text());
        await wait(() => arena.offers.length > before);
        await Bun.sleep(150);
        client.abort();
        await request.catch(() => {});
        await wait(() => arena.aborted === before + 1);
      }
      await wait(() => ground.mesh.gateway.inFlight === 0);
    });
  });
}

const away = sampleResult({ answer: null }, { status: 'invalid', certificate_id: null });
const event = (code: string, more: object = {}) => ({
  event: 'error',
  code,
  message: 'm',
  field: null,
  retryAfterS: null,
  runId: null,
  ...more,
});

describe('what a client gets when there is no good answer', () => {
  test('invalid: 422 with the report, or with best_effort the answer marked so', async () => {
    await using ground = await VerificationGround.start();
    const failures = [{ verifier: 'code_linter', message: 'line 1', code: null }];
    const report = { status: 'invalid' as const, certificate_id: null, summary: 'no answer passed', failures };
    ground.arena.script = () => [sampleResult({}, report)];
    const refused = await ground.verified();
    expect(refused.status).toBe(422);
    expect(refused.headers.get('x-verification-status')).toBe('invalid');
    expect(refused.headers.get('x-labmesh-verification')).toBe('failed');
    expect(await refused.json()).toMatchObject({
      error: { code: 'verification_failed', message: 'no answer passed' },
      verification: { failures },
    });
    const marked = await ground.verified({ on_fail: 'best_effort' });
    expect(marked.status).toBe(200);
    expect(marked.headers.get('x-verification-status')).toBe('invalid');
    expect(marked.headers.get('x-verification-certificate')).toBeNull();
    expect(await marked.json()).toMatchObject({ verification: { status: 'invalid' } });
    ground.arena.script = () => [away];
    expect((await ground.verified({ on_fail: 'best_effort' })).status).toBe(422);
  });

  test('verification.on_invalid says which of the two is the usual one; a request still has its own', async () => {
    await using ground = await VerificationGround.start('[verification]\non_invalid = "return_unverified"');
    const script = (status: 'invalid' | 'inconclusive') => () => [sampleResult({}, { status, certificate_id: null })];
    for (const status of ['invalid', 'inconclusive'] as const) {
      ground.arena.script = script(status);
      const marked = await ground.verified();
      expect(marked.status).toBe(200);
      expect(marked.headers.get('x-verification-status')).toBe(status);
      expect(await marked.json()).toMatchObject({ verification: { status, certificate_id: null } });
      expect(ground.arena.offers.at(-1)?.offer.block.on_fail).toBe('best_effort');
    }
    ground.arena.script = script('invalid');
    expect((await ground.verified({ on_fail: 'error' })).status).toBe(422);
  });

  test('inconclusive is 503, unchecked is given as it is, and neither carries a certificate', async () => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => [sampleResult({}, { status: 'inconclusive' })];
    const unsure = await ground.verified();
    expect([unsure.status, (await errorOf(unsure)).code]).toEqual([503, 'verification_inconclusive']);
    expect(unsure.headers.get('x-verification-status')).toBe('inconclusive');
    ground.arena.script = () => [sampleResult({}, { status: 'unchecked', certificate_id: 'cert-9' })];
    const plain = await ground.verified();
    expect([plain.status, plain.headers.get('x-verification-status')]).toEqual([200, 'unchecked']);
    expect(plain.headers.get('x-verification-certificate')).toBeNull();
    expect(plain.headers.get('x-labmesh-verification')).toBe('skipped');
  });

  test.each([
    ['arena_busy', { retryAfterS: 7 }, 429, '7'],
    ['budget_exceeded', { retryAfterS: 999_999 }, 429, '3600'],
    ['verification_deadline', {}, 504, '5'],
    ['verification_inconclusive', {}, 503, '5'],
    ['internal_error', { message: 'at /home/x: 10.0.0.1' }, 503, '5'],
    ['verification_bad_option', { field: 'verification.verifiers.0' }, 400, null],
  ] as const)('the arena says %s', async (code, more, status, retryAfter) => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => [`${JSON.stringify(event(code, more))}\n`];
    const response = await ground.verified();
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, retryAfter]);
    expect(response.headers.get('x-labmesh-verification')).toBe('error');
    const error = await errorOf(response);
    expect(error.code).toBe(code === 'internal_error' ? 'verification_unavailable' : code);
    expect(error.message).not.toContain('10.0.0.1');
    if ('field' in more) expect(error.param).toBe(more.field);
  });

  test.each([
    ['garbage', 'nonsense\n'],
    ['an unknown event', '{"event":"surprise"}\n'],
    ['a result without a report', '{"event":"result","runId":"r"}\n'],
    ['a line without end', 'x'.repeat(5 * 1024 * 1024)],
    ['nothing', ''],
  ])('an arena that sends %s is no arena', async (_, text) => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => [text];
    const response = await ground.verified();
    expect([response.status, (await errorOf(response)).code]).toEqual([503, 'verification_unavailable']);
    expect(ground.mesh.logged()).not.toContain('nonsense');
  });

  test('a verdict that does not come is 504 a little after its time, and the run is ended', async () => {
    await using ground = await VerificationGround.start();
    ground.arena.script = async function* (_, signal) {
      while (!signal.aborted) yield 20;
    };
    const response = await ground.verified({ max_wait_ms: 50 });
    expect([response.status, (await errorOf(response)).code]).toEqual([504, 'verification_deadline']);
    await wait(() => ground.arena.aborted === 1);
  });

  test('once a stream has begun the error is inside it, without [DONE]', async () => {
    await using ground = await VerificationGround.start('[verification]\ncomment_s = 0.1');
    ground.arena.script = () => [250, away];
    const text = await (await ground.verified({}, { stream: true })).text();
    expect(text).toContain(': verifying');
    expect(text).toContain('"code":"verification_failed"');
    expect(text).not.toContain('[DONE]');
  });

  test('no more wait for a verdict than may', async () => {
    await using ground = await VerificationGround.start('[verification]\nwaiting_max = 1');
    ground.arena.script = () => [500, sampleResult()];
    const first = ground.verified();
    await wait(() => ground.arena.offers.length === 1);
    const second = await ground.verified({}, { temperature: 1 });
    expect([second.status, (await errorOf(second)).code]).toEqual([429, 'arena_busy']);
    expect((await first).status).toBe(200);
  });

  test('a stop tells those who wait', async () => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => [5_000];
    const waiting = ground.verified();
    await wait(() => ground.arena.offers.length === 1);
    await ground.mesh.gateway.drain(50);
    expect((await errorOf(await waiting)).code).toBe('server_shutting_down');
  });
});

describe('without an arena', () => {
  test('503, or with pass a plain answer that claims nothing', async () => {
    await using ground = await VerificationGround.start('', { arena: 'none' });
    const refused = await ground.verified();
    expect([refused.status, (await errorOf(refused)).code]).toEqual([503, 'verification_unavailable']);
    for (const stream of [false, true]) {
      const passed = await ground.verified({ on_unavailable: 'pass' }, { stream });
      expect(passed.status).toBe(200);
      expect(passed.headers.get('x-verification-status')).toBe('unchecked');
      expect(passed.headers.get('x-labmesh-verification')).toBe('skipped');
      expect(passed.headers.get('x-verification-certificate')).toBeNull();
      const text = await passed.text();
      expect(text).toContain('tok1');
      expect(text).not.toContain('verification');
    }
    expect(ground.asked).toHaveLength(2);
    for (const { body } of ground.asked) expect(body).not.toContain('verification');
    expect(await ground.counted('intercept', 'passed_on')).toBe(2);
  });

  test('an arena that breaks off in a stream that has begun: the plain answer goes on in it', async () => {
    await using ground = await VerificationGround.start('[verification]\ncomment_s = 0.1');
    ground.arena.script = () => [250, 'broken\n'];
    const text = await (await ground.verified({ on_unavailable: 'pass' }, { stream: true })).text();
    expect(text).toStartWith(': verifying');
    expect(text).toContain('tok1');
    expect(text).toEndWith('data: [DONE]\n\n');
    const wrong = await ground.verified({ on_unavailable: 'pass' }, { stream: true, max_tokens: 'many' });
    expect([wrong.status, (await errorOf(wrong)).param]).toEqual([400, 'max_tokens']);
  });

  test('on_timeout passes a late one on', async () => {
    await using ground = await VerificationGround.start();
    ground.arena.script = () => [`${JSON.stringify(event('verification_deadline'))}\n`];
    const late = await ground.verified({ on_timeout: 'pass' });
    expect([late.status, late.headers.get('x-verification-status')]).toEqual([200, 'unchecked']);
  });
});

describe('what is refused before anything is asked', () => {
  test.each([
    [{ variations: 17 }, 'verification.variations'],
    [{ mode: 'always' }, 'verification.mode'],
    [{ surprise: 1 }, 'verification.surprise'],
    [{ budget: { usd: -1 } }, 'verification.budget.usd'],
    [{ verifiers: [] }, 'verification.verifiers'],
    ['yes', 'verification'],
    [[], 'verification'],
  ])('the block %j', async (block, param) => {
    await using ground = await VerificationGround.start();
    const response = await ground.chat({ verification: block });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: 'verification_bad_option', param });
    expect(ground.arena.offers).toHaveLength(0);
    expect(ground.asked).toHaveLength(0);
  });

  test('a key without the scope, another route, several answers, a request that is no chat', async () => {
    await using ground = await VerificationGround.start();
    const { key } = await ground.newKey({ scopes: ['chat'] });
    const noScope = await ground.verified({}, {}, bearer(key));
    expect([noScope.status, (await errorOf(noScope)).code]).toEqual([403, 'insufficient_scope']);
    expect((await ground.chat({ verification: null }, bearer(key))).status).toBe(200);
    const other = await ground.mesh.post('/v1/completions', { model: 'm', prompt: 'x', verification: {} });
    expect([other.status, (await errorOf(other)).code]).toEqual([400, 'verification_bad_option']);
    expect(await errorOf(await ground.verified({}, { n: 2 }))).toMatchObject({ code: 'invalid_value', param: 'n' });
    expect(await errorOf(await ground.verified({}, { messages: [] }))).toMatchObject({ param: 'messages' });
    expect(await errorOf(await ground.verified({}, { model: 'nope' }))).toMatchObject({ code: 'model_not_found' });
    expect(ground.arena.offers).toHaveLength(0);
    const large = await ground.verified({}, { messages: [{ role: 'user', content: 'x'.repeat(5_000_000) }] });
    expect([large.status, (await errorOf(large)).code]).toEqual([413, 'request_too_large']);
  });
});

describe('answers that are given again', () => {
  test('a valid one, to the same rights of the same tenant, for the same request', async () => {
    await using ground = await VerificationGround.start();
    let run = 0;
    ground.arena.script = () => [sampleResult({}, { run_id: `run-${++run}`, certificate_id: `cert-${run}` })];
    const certificate = async (block = {}, body = {}, init = {}) =>
      (await ground.verified(block, body, init)).headers.get('x-verification-certificate');
    const [mine, other] = [await ground.newKey({}), await ground.newKey({ tenant: 'other' })];
    expect(await certificate()).toBe('cert-1');
    const hit = await ground.verified({ on_fail: 'best_effort' }, { stream: false, user: 'u' });
    expect(hit.headers.get('x-verification-certificate')).toBe('cert-1');
    expect(await hit.json()).toMatchObject({
      usage: { total_tokens: 0 },
      verification: { cached: true, run_id: 'run-1' },
      id: `chatcmpl-${hit.headers.get('x-request-id')}`,
    });
    expect(await certificate({}, { stream: true }, bearer(mine.key))).toBe('cert-1');
    expect(await certificate({}, {}, bearer(other.key))).toBe('cert-2');
    expect(await certificate({}, { temperature: 0.5 })).toBe('cert-3');
    expect(await certificate({ variations: 2 })).toBe('cert-4');
    expect(await certificate({}, { tools: [{ type: 'function', function: { name: 'f' } }] })).toBe('cert-5');
    expect(await certificate({}, {}, bearer(mine.key, { 'x-labmesh-cache': 'no-store' }))).toBe('cert-6');
    expect(await ground.counted('intercept', 'cached')).toBe(2);
    const narrow = await ground.newKey({ scopes: ['chat', 'verify'] });
    expect(await certificate({}, {}, bearer(narrow.key))).toBe('cert-7');
    // What answers are checked by has changed.
    await ground.get('/api/arena/suites', { method: 'POST', body: '{}', ...bearer(mine.key) });
    expect(await certificate()).toBe('cert-8');
    expect(await certificate({}, {}, bearer(other.key))).toBe('cert-2');
  });

  test('never one that was checked before a change, though it came after', async () => {
    await using ground = await VerificationGround.start();
    const change = () => ground.get('/api/arena/suites', { method: 'POST', body: '{}', ...bearer(ground.mesh.key) });
    ground.arena.script = async function* () {
      await change();
      yield sampleResult();
    };
    for (const _ of [1, 2]) expect((await ground.verified()).status).toBe(200);
    expect(ground.arena.offers.length).toBe(2);
  });

  test('never one that was not valid', async () => {
    await using ground = await VerificationGround.start();
    for (const status of ['unchecked', 'invalid', 'inconclusive'] as const) {
      ground.arena.script = () => [sampleResult({}, { status, certificate_id: null })];
      const before = ground.arena.offers.length;
      for (const _ of [1, 2]) await ground.verified({ on_fail: 'best_effort' });
      expect(ground.arena.offers.length).toBe(before + 2);
    }
  });
});

test('an id that a client chose is bound to its request: another request never finds its run', async () => {
  await using ground = await VerificationGround.start('[verification]\ncache_entries = 0');
  const id = { headers: { 'x-request-id': 'mine' } };
  for (const content of ['a', 'a', 'b']) await ground.verified({}, { messages: [{ role: 'user', content }] }, id);
  const [first, again, another] = ground.arena.offers.map(({ offer }) => offer.requestId);
  expect(first).toStartWith('mine.');
  expect(again).toBe(first ?? '');
  expect(another).not.toBe(first ?? '');
});

test('compat.vaas: the block of the original stands in the answer too', async () => {
  await using ground = await VerificationGround.start('[compat]\nvaas = true');
  const shadowArena = { success: true, best_score: 1 };
  ground.arena.script = () => [sampleResult({ shadowArena })];
  expect(await (await ground.verified()).json()).toMatchObject({ shadow_arena: shadowArena });
  expect(await (await ground.verified({}, { stream: true, user: 'x' })).text()).toContain('"shadow_arena":{');
});
