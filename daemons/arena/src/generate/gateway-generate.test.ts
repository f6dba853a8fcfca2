import { expect, test } from 'bun:test';
import { ApiError } from '@labmesh/wire/errors';
import fc from 'fast-check';
import type { Generation } from '../contract/generate.ts';
import { ChatAnswer, EventLines } from './chat-stream.ts';
import { gatewayGenerate } from './gateway-generate.ts';
import { FakeGateway, type Script } from './testing/fake-gateway.ts';

const request = { model: 'tiny', messages: [{ role: 'user', content: 'add' }] };

async function ask(script: Script, signal = new AbortController().signal, onProgress?: (chars: number) => void) {
  await using gateway = new FakeGateway(() => script);
  const generate = gatewayGenerate({ baseUrl: `${gateway.url}/`, token: 'lmk_secret' });
  const call = { tenant: 'acme', key: 'key-1', request, signal, ...(onProgress && { onProgress }) };
  const answer = await generate(call).then(
    (value): Generation | Error => value,
    (error: Error) => error,
  );
  return { answer, heard: gateway.heard[0], gateway };
}

test('text, tool calls, usage and finish reason come out of the stream; the payer stands in the headers', async () => {
  const toolCalls = [
    { index: 0, id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":' } },
    { index: 0, function: { arguments: '1}' } },
  ];
  const { answer, heard } = await ask({ parts: ['de', 'f'], toolCalls, finish: 'tool_calls' });
  expect(answer).toMatchObject({
    answer: {
      role: 'assistant',
      content: 'def',
      tool_calls: [{ id: 'c1', function: { name: 'add', arguments: '{"a":1}' } }],
    },
    model: 'tiny-engine',
    finishReason: 'tool_calls',
    usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
  });
  const headers = ['x-labmesh-verify', 'x-labmesh-tenant', 'x-labmesh-key', 'authorization'].map((name) =>
    heard?.headers.get(name),
  );
  expect(headers).toEqual(['off', 'acme', 'key-1', 'Bearer lmk_secret']);
  expect(heard?.request).toMatchObject({ stream: true, stream_options: { include_usage: true } });
});

test('how an endpoint is chosen is said where the settings say it, and only there', async () => {
  for (const routing of [undefined, 'round_robin'] as const) {
    await using gateway = new FakeGateway(() => ({ parts: ['x'] }));
    const generate = gatewayGenerate({ baseUrl: gateway.url, token: 't', routing });
    await generate({ tenant: 'acme', key: 'key-1', request, signal: new AbortController().signal });
    expect(gateway.heard[0]?.headers.get('x-labmesh-routing')).toBe(routing ?? null);
  }
});

test('nobody is kept waiting by a call that nobody waits for: low, unless a class is told', async () => {
  await using gateway = new FakeGateway(() => ({ parts: ['x'] }));
  const generate = gatewayGenerate({ baseUrl: gateway.url, token: 't' });
  const call = { tenant: 'a', key: 'k', request, signal: new AbortController().signal };
  await generate(call);
  await generate({ ...call, priority: 'high' });
  expect(gateway.heard.map(({ headers }) => headers.get('x-labmesh-priority'))).toEqual(['low', 'high']);
});

test('without usage the characters are counted', async () => {
  const { answer } = await ask({ parts: ['12345678'], usage: null });
  expect((answer as Generation).usage.completion_tokens).toBe(2);
});

test('an abort ends the request upstream', async () => {
  await using gateway = new FakeGateway(() => ({ parts: Array.from({ length: 500 }, () => 'x'), delayMs: 5 }));
  const generate = gatewayGenerate({ baseUrl: gateway.url, token: 't' });
  const ending = new AbortController();
  const reason = new Error('enough');
  const call = generate({
    tenant: 'a',
    key: 'k',
    request,
    signal: ending.signal,
    onProgress: () => ending.abort(reason),
  });
  expect(await call.catch((error: unknown) => error)).toBe(reason);
  for (let wait = 0; gateway.count('aborted') === 0 && wait < 100; wait++) await Bun.sleep(10);
  expect([gateway.count('aborted'), gateway.count('done')]).toEqual([1, 0]);
});

test('an answer without bounds is cut at 100,000 characters, and so is its connection', async () => {
  await using gateway = new FakeGateway(() => ({
    parts: Array.from({ length: 400 }, () => 'x'.repeat(1000)),
    delayMs: 1,
  }));
  const generate = gatewayGenerate({ baseUrl: gateway.url, token: 't' });
  const error = await generate({ tenant: 'a', key: 'k', request, signal: new AbortController().signal }).catch(
    (fault: unknown) => fault,
  );
  expect(String(error)).toContain('arena.generate.answer_chars');
  for (let wait = 0; gateway.count('aborted') === 0 && wait < 100; wait++) await Bun.sleep(10);
  expect(gateway.count('aborted')).toBe(1);
});

test('refusals keep their code and their pause; texts of engines stay in the log', async () => {
  const body = JSON.stringify({ error: { message: 'at /srv/secret', type: 'x', code: 'queue_full' } });
  const { answer: full } = await ask({ status: 429, body });
  expect(full).toBeInstanceOf(ApiError);
  expect([
    (full as ApiError).code,
    (full as ApiError).retryAfterS,
    (full as ApiError).message.includes('secret'),
  ]).toEqual(['queue_full', 7, false]);
  const { answer: odd } = await ask({ status: 500, body: '<html>' });
  expect((odd as ApiError).code).toBe('upstream_error');
  const { answer: inside } = await ask({ raw: ['data: {"error":{"message":"boom"}}\n\n'] });
  expect((inside as ApiError).code).toBe('upstream_error');
  const { answer: cut } = await ask({ parts: ['half'], cut: true });
  expect((cut as ApiError).code).toBe('upstream_broken');
});

test('a proxy of the environment sees neither key nor prompt', async () => {
  let seen = 0;
  const proxy = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(String(++seen)) });
  const before = process.env['HTTP_PROXY'];
  process.env['HTTP_PROXY'] = `http://127.0.0.1:${proxy.port}`;
  try {
    const { answer } = await ask({ parts: ['ok'] });
    expect([(answer as Generation).answer.content, seen]).toEqual(['ok', 0]);
  } finally {
    if (before === undefined) delete process.env['HTTP_PROXY'];
    else process.env['HTTP_PROXY'] = before;
    await proxy.stop(true);
  }
});

test('events are the same however the bytes are cut', () => {
  const data = ['{"a":1}', '[DONE]', 'x y', 'two\nlines'];
  const stream = data
    .map(
      (one) =>
        one
          .split('\n')
          .map((line) => `data: ${line}\r\n`)
          .join('') + '\r\n',
    )
    .join(': note\n\n');
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 12 }), (cuts) => {
      const lines = new EventLines();
      const places = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const seen = places.slice(1).flatMap((end, at) => [...lines.push(stream.slice(places[at], end))]);
      expect(seen).toEqual(data);
    }),
  );
});

test('whatever an engine sends, the answer is a message or a named error', () => {
  const chunk = fc.record(
    {
      id: fc.anything(),
      object: fc.constantFrom('chat.completion.chunk', 'x'),
      created: fc.nat(),
      model: fc.string(),
      choices: fc.array(
        fc.record({
          index: fc.nat(2),
          delta: fc.dictionary(fc.constantFrom('content', 'tool_calls', 'reasoning'), fc.anything(), { maxKeys: 3 }),
          finish_reason: fc.option(fc.string()),
        }),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string(),
          fc.json(),
          chunk.map((one) => JSON.stringify(one) ?? ''),
        ),
      ),
      (events) => {
        const so = new ChatAnswer();
        try {
          for (const data of events) so.take(data);
          expect(so.message().role).toBe('assistant');
        } catch (error) {
          expect(['ApiError', 'BoundPassed']).toContain((error as Error).name);
        }
      },
    ),
  );
});

test('an event without end is refused', () => {
  const lines = new EventLines();
  expect(() => {
    for (let i = 0; i < 40; i++) Array.from(lines.push(`data: ${'x'.repeat(65_536)}\n`));
  }).toThrow('arena.generate.event_chars');
});
