import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, describe, expect, test } from 'bun:test';
import type { EngineOptions, EngineSimulator } from './engine-simulator.ts';
import { startEngine, type SimulatedKind } from './start-engine.ts';

const open: EngineSimulator[] = [];
afterEach(() => {
  for (const engine of open.splice(0)) engine.kill();
});

async function engine(options: EngineOptions & { kind?: SimulatedKind } = {}): Promise<EngineSimulator> {
  const started = await startEngine({ kind: 'vllm', models: ['m'], tokens: 3, ...options });
  open.push(started);
  return started;
}

const headers = { 'x-request-id': 'r', 'content-type': 'application/json' };
const post = (to: EngineSimulator, body: unknown, path = '/v1/chat/completions', signal?: AbortSignal) =>
  fetch(to.url + path, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'm', ...(body as object) }),
    signal: signal ?? null,
  });

/** The body as JSON of no known shape. */
// oxlint-disable-next-line typescript/no-explicit-any
const jsonOf = async (response: Promise<Response>): Promise<any> => (await response).json();

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i += 1) await Bun.sleep(5);
  expect(condition()).toBe(true);
}

describe('answers', () => {
  test('a stream is the same each time, with usage only when asked', async () => {
    const texts = await Promise.all(
      [0, 1].map(async () => {
        const each = await engine();
        return (await post(each, { stream: true, messages: [], stream_options: { include_usage: true } })).text();
      }),
    );
    expect(texts[0]).toBe(texts[1] as string);
    expect(texts[0]).toContain('"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}');
    expect(texts[0]?.endsWith('data: [DONE]\n\n')).toBe(true);
    const plain = await (await post(await engine(), { stream: true, messages: [] })).text();
    expect(plain).not.toContain('usage');
  });

  test('x_sim says which extra fields come', async () => {
    const each = await engine();
    const x_sim = {
      deltas: [{ reasoning_content: 'hm' }, { tool_calls: [{ index: 0, id: 'c' }] }],
      finish_reason: 'tool_calls',
    };
    const text = await (await post(each, { stream: true, x_sim })).text();
    expect(text).toContain('"delta":{"reasoning_content":"hm"}');
    expect(text).toContain('"tool_calls":[{"index":0,"id":"c"}]');
    expect(text).toContain('"finish_reason":"tool_calls"');
    const whole = await jsonOf(post(each, { x_sim }));
    expect(whole.choices[0].message).toMatchObject({ content: 'tok0 tok1 tok2', reasoning_content: 'hm' });
  });

  test('completions, embeddings, max_tokens, an unknown model', async () => {
    const each = await engine();
    expect((await jsonOf(post(each, { prompt: 'a', max_tokens: 1 }, '/v1/completions'))).choices[0].text).toBe('tok0');
    expect((await jsonOf(post(each, { input: ['a', 'b'] }, '/v1/embeddings'))).data.length).toBe(2);
    expect((await post(each, { model: 'x' })).status).toBe(404);
    expect(each.generated).toBe(2);
  });

  test('a generating call without a request id is a probe that must not be', async () => {
    const each = await engine();
    await (await fetch(`${each.url}/v1/chat/completions`, { method: 'POST', body: '{"model":"m"}' })).text();
    expect(each.probeGenerations).toBe(1);
  });
});

describe('queue and faults', () => {
  test('more than its slots wait; a client that leaves frees its place', async () => {
    const each = await engine({ slots: 1, prefillMs: 5_000 });
    const controller = new AbortController();
    const calls = [0, 1].map(() => post(each, {}, undefined, controller.signal).catch(() => undefined));
    await until(() => each.running === 1 && each.waiting === 1);
    controller.abort();
    await Promise.all(calls);
    await until(() => each.running === 0 && each.waiting === 0);
    expect(each).toMatchObject({ aborted: 2, generated: 0 });
  });

  test('break after so many events', async () => {
    const each = await engine({ faults: { breakAfterEvents: 2 } });
    const response = await post(each, { stream: true });
    let text = '';
    const read = (async () => {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
        text += new TextDecoder().decode(chunk);
    })();
    await read.catch(() => {});
    expect(text.split('\n\n').length - 1).toBeLessThanOrEqual(2);
    expect(text).not.toContain('[DONE]');
  });

  test('garbage, cut, status and loading', async () => {
    const each = await engine({ faults: { garbageHead: true } });
    expect(await thrower(post(each, {}))).toThrow();
    await until(() => each.requests.length > 0);
    each.faults = { cutBeforeHead: true };
    expect(await thrower(post(each, {}))).toThrow();
    expect((await fetch(`${each.url}/health`)).status).toBe(200);
    each.faults = { status: 429, retryAfter: '2' };
    const limited = await post(each, {});
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '2']);
    const loading = await engine({ kind: 'llamacpp', faults: { loading: true } });
    expect(await (await fetch(`${loading.url}/health`)).text()).toContain('Loading model');
  });

  test('killed and revived on the same port', async () => {
    const each = await engine();
    each.kill();
    expect(await thrower(fetch(`${each.url}/health`))).toThrow();
    await Bun.sleep(5);
    each.revive();
    expect((await fetch(`${each.url}/health`)).status).toBe(200);
  });
});
