import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm, truncate, writeFile, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { startBuiltinEngine, type BuiltinEngine, type BuiltinEngineState } from './builtin-engine.ts';
import { scrubLine } from './engine-process.ts';
import { childCommand, llamaInstalled, llamaTest, tinyCoder } from './testing/needs-llama.ts';

const start = (rest: Partial<Parameters<typeof startBuiltinEngine>[0]> = {}) =>
  startBuiltinEngine({ modelPath: tinyCoder, command: childCommand, ...rest });

let engine: BuiltinEngine;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'builtin-engine-'));
  if (llamaInstalled) engine = await start({ alias: ['coder'], queueMax: 1 });
});
afterAll(async () => {
  if (llamaInstalled) await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function post(path: string, body: object | string, of: BuiltinEngine = engine, init: RequestInit = {}) {
  return fetch(of.endpoint.baseUrl + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${of.apiKey}` },
    body: typeof body === 'string' ? body : JSON.stringify({ model: of.modelId, ...body }),
    ...init,
  });
}
const ask = { messages: [{ role: 'user', content: 'write add' }], temperature: 0 };
const addAnswer = 'def f(a,b):\n    return a+b';

type Chunk = { choices: Array<{ delta: { content?: string }; finish_reason: string | null }>; usage?: unknown };
async function chunksOf(response: Response): Promise<Chunk[]> {
  const events = (await response.text()).split('\n\n').filter((event) => event !== '');
  expect(events.pop()).toBe('data: [DONE]');
  return events.map((event) => JSON.parse(event.slice('data: '.length)) as Chunk);
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
async function until(what: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
  for (const end = performance.now() + withinMs; !(await what()); await Bun.sleep(20)) {
    if (performance.now() > end) throw new Error('it did not happen in time');
  }
}

llamaTest('a chat gives real tokens, and the stream gives the same', async () => {
  const whole = (await (await post('/chat/completions', ask)).json()) as { usage: object };
  expect(whole).toMatchObject({
    object: 'chat.completion',
    model: 'tiny-coder',
    choices: [{ index: 0, message: { role: 'assistant', content: addAnswer }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 16, completion_tokens: 28, total_tokens: 44 },
  });
  const streamed = await post('/chat/completions', { ...ask, stream: true, stream_options: { include_usage: true } });
  expect(streamed.headers.get('content-type')).toStartWith('text/event-stream');
  const chunks = await chunksOf(streamed);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(addAnswer);
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
});

llamaTest('completions take the prompt as it is', async () => {
  const prompt = 'Q: write add\nA:';
  const whole = (await (await post('/completions', { prompt: [prompt], temperature: 0 })).json()) as object;
  expect(whole).toMatchObject({
    object: 'text_completion',
    choices: [{ text: ` ${addAnswer}\n`, finish_reason: 'stop' }],
  });
  const chunks = await chunksOf(await post('/completions', { prompt, temperature: 0, max_tokens: 3, stream: true }));
  const texts = chunks.map((chunk) => (chunk.choices[0] as unknown as { text: string }).text);
  expect(texts.join('')).toBe(' de');
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('length');
});

llamaTest('embeddings, as numbers and as base64', async () => {
  type Answer = { data: Array<{ embedding: number[] & string }>; usage: object };
  const plain = (await (await post('/embeddings', { input: 'add' })).json()) as Answer;
  const packed = (await (await post('/embeddings', { input: ['add'], encoding_format: 'base64' })).json()) as Answer;
  const bytes = Buffer.from(packed.data[0]?.embedding ?? '', 'base64');
  expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 96)]).toEqual(plain.data[0]?.embedding ?? []);
  expect(plain.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
});

llamaTest('lists its model; /health needs no key', async () => {
  const root = `http://127.0.0.1:${engine.port}`;
  expect(await (await fetch(`${root}/health`)).json()).toEqual({ status: 'ok' });
  const list = await fetch(`${root}/v1/models`, { headers: { authorization: `Bearer ${engine.apiKey}` } });
  const model = { object: 'model', owned_by: 'labmesh', meta: { n_ctx_train: 96, n_ctx: 96, size: 1_528_704 } };
  expect(await list.json()).toMatchObject({
    object: 'list',
    data: [
      { id: 'tiny-coder', ...model },
      { id: 'coder', ...model },
    ],
  });
  expect(engine.endpoint).toMatchObject({ name: 'builtin', baseUrl: `${root}/v1`, contextLength: 96 });
});

const refusals: Array<
  [name: string, path: string, body: object | string, status: number, code: string, param: string | null]
> = [
  ['no JSON', '/chat/completions', '{"model":', 400, 'invalid_json', null],
  ['no model', '/chat/completions', '{"messages":[]}', 400, 'invalid_type', 'model'],
  ['another model', '/chat/completions', { ...ask, model: 'gpt-4' }, 404, 'model_not_found', 'model'],
  ['two choices', '/chat/completions', { ...ask, n: 2 }, 400, 'unsupported_parameter', 'n'],
  ['a long prompt', '/completions', { prompt: 'x'.repeat(500) }, 400, 'context_length_exceeded', null],
  ['a long text', '/embeddings', { input: 'x'.repeat(500) }, 400, 'context_length_exceeded', null],
  ['an unknown route', '/responses', {}, 404, 'unknown_route', null],
];
llamaTest.each(refusals)('refuses %s in OpenAI form', async (_name, path, body, status, code, param) => {
  const response = await post(path, body);
  const { error } = (await response.json()) as { error: object };
  expect([response.status, error]).toMatchObject([status, { code, param, type: expect.any(String) }]);
});

llamaTest('takes no other key', async () => {
  const response = await post('/chat/completions', ask, engine, { headers: { authorization: 'Bearer nonsense' } });
  expect(response.status).toBe(401);
});

llamaTest('one runs, one waits, the rest is told when to come back', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => post('/chat/completions', ask)));
  const refused = answers.filter((answer) => answer.status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(answers.every((answer) => answer.status === 200 || answer.status === 429)).toBe(true);
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused[0]?.json()).toMatchObject({ error: { code: 'queue_full' } });
});

llamaTest('clients that go leave no work behind', async () => {
  const client = new AbortController();
  const body = { prompt: 'Q', temperature: 5, top_k: 0, stream: true };
  const gone = Array.from({ length: 2 }, () =>
    post('/completions', body, engine, { signal: client.signal }).catch(() => {}),
  );
  client.abort();
  await Promise.all(gone);
  // Both slots of work (one running, one waiting) are free again.
  await until(async () => (await post('/chat/completions', ask)).status === 200);
});

llamaTest(
  'kill -9 on the child: the same port serves again',
  async () => {
    const states: BuiltinEngineState['kind'][] = [];
    await using own = await start({ onProgress: (state) => states.push(state.kind) });
    const { pid, port } = own;
    process.kill(pid, 'SIGKILL');
    await until(() => own.state.kind === 'restarting');
    await until(() => own.state.kind === 'ready');
    expect([own.port, own.restarts]).toEqual([port, 1]);
    expect(own.pid).not.toBe(pid);
    const again: unknown = await (await post('/chat/completions', ask, own)).json();
    expect(again).toMatchObject({ choices: [{ message: { content: addAnswer } }] });
    const last = own.pid;
    await own[Symbol.asyncDispose]();
    expect(isAlive(last)).toBe(false);
    expect(states.filter((state) => state !== 'loading')).toEqual(['ready', 'restarting', 'ready', 'stopped']);
  },
  15_000,
);

llamaTest(
  'kill -9 on the parent: the child goes too',
  async () => {
    const script = `
    const { startBuiltinEngine } = await import(${JSON.stringify(join(import.meta.dir, 'builtin-engine.ts'))});
    const engine = await startBuiltinEngine(${JSON.stringify({ modelPath: tinyCoder, command: childCommand })});
    console.log(engine.pid);
    await Bun.sleep(60_000);`;
    const parent = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' });
    const { value } = await parent.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !isAlive(pid));
  },
  15_000,
);

llamaTest('an abort signal ends the engine', async () => {
  const closer = new AbortController();
  const own = await start({ signal: closer.signal });
  closer.abort();
  await until(() => own.state.kind === 'stopped');
  expect(isAlive(own.pid)).toBe(false);
});

llamaTest('a broken model file fails at once with what llama.cpp said', async () => {
  const path = join(folder, 'cut.gguf');
  await copyFile(tinyCoder, path);
  await truncate(path, 40_000);
  expect(await thrower(start({ modelPath: path }))).toThrow('the built-in engine could not start');
});

test('three quick failures end it, with its last words', async () => {
  const clock = new FakeClock();
  const script = `
    console.log(JSON.stringify({ event: 'ready', ready: true, port: 9, contextLength: 1 }));
    console.error('boom');
    setTimeout(() => process.exit(3), 20);`;
  const waits: number[] = [];
  const own = await startBuiltinEngine({
    modelPath: tinyCoder,
    command: [process.execPath, '-e', script],
    clock,
    onProgress: (state) => void (state.kind === 'restarting' && waits.push(state.inMs)),
  });
  for (const expected of [1, 2]) {
    await until(() => waits.length === expected);
    await clock.advance(waits.at(-1) ?? 0);
  }
  await until(() => own.state.kind === 'failed');
  expect(waits).toEqual([1_000, 2_000]);
  expect(own.state).toMatchObject({ reason: 'it ended with code 3', lines: ['boom', 'boom', 'boom'] });
  await own[Symbol.asyncDispose]();
});

llamaTest('what is no model never starts a child', async () => {
  const path = join(folder, 'notes.gguf');
  await writeFile(path, 'just some notes, long enough to be a head');
  expect(await thrower(start({ modelPath: path, command: ['/does/not/exist'] }))).toThrow(
    `model file ${path}: the file`,
  );
});

llamaTest('a log line holds no key, no folder and no control characters', () => {
  const parameters = { apiKey: 'a'.repeat(32), modelPath: '/home/someone/models/x.gguf' };
  const line = `\u001b[31mkey ${parameters.apiKey} of ${parameters.modelPath}\u0007`;
  expect(scrubLine(line, parameters)).toBe('key [redacted] of x.gguf');
});
