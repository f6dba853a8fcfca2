import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { type BuiltinEngine, startBuiltinEngine } from '@labmesh/portman/builtin-engine';
import { embed, generateText, streamText } from 'ai';
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import { childCommand, llamaInstalled, tinyCoder } from '@labmesh/portman/testing/needs-llama';
import { type Mesh, startMesh } from './harness/start-mesh.ts';

const model = 'tiny-coder';
const answer = 'def f(a,b):\n    return a+b';
const messages = [{ role: 'user' as const, content: 'write add' }];

/** The error of a promise that is expected to fail; the clients' promises are no native ones. */
const failure = async (promise: PromiseLike<unknown>): Promise<unknown> => {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
};

describe.skipIf(!llamaInstalled)('official clients over the real engine (needs node-llama-cpp)', () => {
  let engine: BuiltinEngine;
  let mesh: Mesh;
  let openai: OpenAI;
  beforeAll(async () => {
    engine = await startBuiltinEngine({ modelPath: tinyCoder, command: childCommand });
    const { name, baseUrl, apiKey } = engine.endpoint;
    mesh = await startMesh([{ name, baseUrl, apiKey, kind: 'portman', origin: 'builtin' }]);
    openai = new OpenAI({ baseURL: mesh.gateway.api, apiKey: mesh.key, maxRetries: 0 });
  });
  afterAll(async () => {
    await mesh[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  describe('openai', () => {
    test('models', async () => {
      const list = await openai.models.list();
      expect(list.data.map((row) => row.id)).toEqual([model]);
      expect((await openai.models.retrieve(model)).object).toBe('model');
    });

    test('chat, whole and as a stream with usage', async () => {
      const whole = await openai.chat.completions.create({ model, messages, temperature: 0 });
      expect(whole.choices[0]?.message.content?.trim()).toBe(answer);
      expect(whole.usage?.total_tokens).toBeGreaterThan(10);
      const stream = await openai.chat.completions.create({
        model,
        messages,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      let total: number | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        total = chunk.usage?.total_tokens ?? total;
      }
      expect(text).toBe(whole.choices[0]?.message.content ?? '');
      expect(total).toBe(whole.usage?.total_tokens);
    });

    test('completions and embeddings', async () => {
      const completion = await openai.completions.create({
        model,
        prompt: 'Q: write double\nA:',
        temperature: 0,
        max_tokens: 40,
      });
      expect(completion.choices[0]?.text).toContain('return a*2');
      const vectors = await openai.embeddings.create({ model, input: ['write add', 'write cube'] });
      expect(vectors.data).toHaveLength(2);
    });

    test('abort ends the stream and frees the engine', async () => {
      const stream = await openai.chat.completions.create({ model, messages, temperature: 1, stream: true });
      for await (const _ of stream) {
        stream.controller.abort();
        break;
      }
      const client = new AbortController();
      const request = openai.chat.completions.create({ model, messages }, { signal: client.signal });
      client.abort();
      expect(await failure(request)).toBeInstanceOf(APIUserAbortError);
      expect(
        (await openai.chat.completions.create({ model, messages, temperature: 0 })).choices[0]?.finish_reason,
      ).toBe('stop');
    });

    test('errors come as the classes the client knows', async () => {
      const stranger = new OpenAI({ baseURL: mesh.gateway.api, apiKey: 'sk-nothing', maxRetries: 0 });
      expect(await failure(stranger.models.list())).toBeInstanceOf(AuthenticationError);
      const unknown = await failure(openai.chat.completions.create({ model: 'gpt-9', messages }));
      expect(unknown).toBeInstanceOf(NotFoundError);
      expect((unknown as NotFoundError).code).toBe('model_not_found');
      const long = await failure(
        openai.chat.completions.create({ model, messages: [{ role: 'user', content: 'word '.repeat(200) }] }),
      );
      expect(long).toBeInstanceOf(BadRequestError);
      expect((long as BadRequestError).code).toBe('context_length_exceeded');
    });
  });

  describe('Vercel AI SDK', () => {
    const provider = () =>
      createOpenAICompatible({ name: 'labmesh', baseURL: mesh.gateway.api, apiKey: mesh.key, includeUsage: true });

    test('generateText and streamText', async () => {
      const whole = await generateText({ model: provider()(model), prompt: 'write add', temperature: 0 });
      expect(whole.text.trim()).toBe(answer);
      expect(whole.usage.totalTokens).toBeGreaterThan(10);
      const stream = streamText({ model: provider()(model), prompt: 'write add', temperature: 0 });
      let text = '';
      for await (const part of stream.textStream) text += part;
      expect(text.trim()).toBe(answer);
      expect((await stream.usage).totalTokens).toBe(whole.usage.totalTokens);
    });

    test('completion model, embeddings, abort and errors', async () => {
      const completion = await generateText({
        model: provider().completionModel(model),
        prompt: 'Q: write double\nA:',
        temperature: 0,
        maxOutputTokens: 40,
      });
      // The SDK writes its own chat transcript around the prompt, which this small model does not know.
      expect(completion.usage.outputTokens).toBeGreaterThan(0);
      const vector = await embed({ model: provider().textEmbeddingModel(model), value: 'write add' });
      expect(vector.embedding.length).toBeGreaterThan(0);
      const client = new AbortController();
      const request = generateText({
        model: provider()(model),
        prompt: 'write add',
        abortSignal: client.signal,
        maxRetries: 0,
      });
      client.abort();
      expect(String(await failure(request))).toContain('Abort');
      const unknown = generateText({ model: provider()('gpt-9'), prompt: 'x', maxRetries: 0 });
      expect(String(await failure(unknown))).toContain('labctl models');
    });
  });
});
