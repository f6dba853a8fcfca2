import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, expect } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngineServer, type EngineServer } from './engine-server.ts';
import { llamaInstalled, llamaTest, tinyCoder } from './testing/needs-llama.ts';
import { withContextLength } from './testing/with-context-length.ts';

const apiKey = 'k'.repeat(24);
const modelId = 'long-coder';
const headers = { authorization: `Bearer ${apiKey}` };
/** Long enough for seconds of work before the first token. */
const longPrompt = 'x'.repeat(30_000);

let folder = '';
let server: EngineServer;
let whileLoading: Response[] = [];
beforeAll(async () => {
  if (!llamaInstalled) return;
  folder = await mkdtemp(join(tmpdir(), 'engine-server-'));
  const modelPath = join(folder, 'long.gguf');
  await writeFile(modelPath, withContextLength(await Bun.file(tinyCoder).bytes(), 32_768));
  server = await startEngineServer({ modelPath, modelId, apiKey, contextSize: 32_768, parallel: 1, queueMax: 1 });
  whileLoading = [await fetch(`${root()}/health`), await post({ prompt: 'x' })];
  await server.ready;
});
afterAll(async () => {
  if (!llamaInstalled) return;
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const root = () => `http://127.0.0.1:${server.port}`;
const post = (body: object, signal?: AbortSignal) =>
  fetch(`${root()}/v1/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: modelId, max_tokens: 2, temperature: 0, ...body }),
    ...(signal && { signal }),
  });

llamaTest('listens at once and says that it loads in the words of llama.cpp', async () => {
  for (const response of whileLoading) {
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      error: { message: 'Loading model', type: 'unavailable_error', code: 503 },
    });
  }
  expect((await fetch(`${root()}/health`)).status).toBe(200);
});

for (const stream of [false, true]) {
  llamaTest(`a client that goes ends the reading of a long prompt (stream: ${stream})`, async () => {
    const client = new AbortController();
    const long = post({ prompt: longPrompt, stream }, client.signal)
      .then((response) => response.text())
      .catch((error: unknown) => error);
    await Bun.sleep(150);
    const waiting = post({ prompt: 'x' });
    // The slot is taken: the short request waits, a third is refused.
    expect(await Promise.race([waiting, Bun.sleep(100)])).toBeUndefined();
    expect((await post({ prompt: 'x' })).status).toBe(429);
    client.abort();
    const since = performance.now();
    expect((await waiting).status).toBe(200);
    expect(performance.now() - since).toBeLessThan(500);
    expect(String(await long)).toContain('AbortError');
  });
}

llamaTest('a prompt with the same long beginning is not read again', async () => {
  const shared = 'y'.repeat(600);
  await post({ prompt: `${shared} one` });
  const { usage } = (await (await post({ prompt: `${shared} two` })).json()) as { usage: object };
  // BOS, the shared text and the blank.
  expect(usage).toMatchObject({ prompt_tokens: 605, prompt_tokens_details: { cached_tokens: 602 } });
});

llamaTest('closing while the model loads frees the port', async () => {
  const own = await startEngineServer({ modelPath: tinyCoder, modelId, apiKey });
  await own[Symbol.asyncDispose]();
  expect(await thrower(fetch(`http://127.0.0.1:${own.port}/health`))).toThrow();
});
