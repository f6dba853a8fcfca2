/** The clients that people have, against the real engine. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { startBuiltinEngine, type BuiltinEngine } from './builtin-engine.ts';
import { childCommand, llamaInstalled, llamaTest, tinyCoder } from './testing/needs-llama.ts';

let engine: BuiltinEngine;
beforeAll(async () => {
  if (llamaInstalled) engine = await startBuiltinEngine({ modelPath: tinyCoder, command: childCommand });
});
afterAll(async () => {
  if (llamaInstalled) await engine[Symbol.asyncDispose]();
});

const openai = () => new OpenAI({ baseURL: engine.endpoint.baseUrl, apiKey: engine.apiKey, maxRetries: 0 });
const aiModel = () => {
  const { name, baseUrl, apiKey, modelId } = engine.endpoint;
  return createOpenAICompatible({ name, baseURL: baseUrl, apiKey, includeUsage: true })(modelId);
};
const ask = { model: 'tiny-coder', temperature: 0, messages: [{ role: 'user' as const, content: 'write double' }] };
const answer = 'def f(a):\n    return a*2';

llamaTest('openai: chat, whole and streamed', async () => {
  const whole = await openai().chat.completions.create(ask);
  expect(whole.choices[0]?.message.content).toBe(answer);
  const stream = await openai().chat.completions.create({
    ...ask,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let total = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    total = chunk.usage?.total_tokens ?? total;
  }
  expect(text).toBe(answer);
  expect(total).toBe(whole.usage?.total_tokens ?? -1);
});

llamaTest('openai: completions, models, embeddings', async () => {
  const done = await openai().completions.create({ model: 'tiny-coder', prompt: 'Q: make cube\nA:', temperature: 0 });
  expect(done.choices[0]?.text).toBe(' def f(a):\n    return a*a*a\n');
  const ids = (await openai().models.list()).data.map((model) => model.id);
  expect(ids).toEqual(['tiny-coder']);
  const embedded = await openai().embeddings.create({ model: 'tiny-coder', input: ['a', 'b'] });
  expect(embedded.data.map((item) => item.embedding.length)).toEqual([96, 96]);
});

llamaTest('openai: errors arrive as its own error classes', async () => {
  const long = openai().completions.create({ model: 'tiny-coder', prompt: 'x'.repeat(200) });
  expect(await long.catch((error: unknown) => error)).toMatchObject({ status: 400, code: 'context_length_exceeded' });
  const other = openai().chat.completions.create({ ...ask, model: 'other' });
  const refused = { status: 404, code: 'model_not_found', param: 'model' };
  expect(await other.catch((error: unknown) => error)).toMatchObject(refused);
});

llamaTest('openai: leaving a stream early frees the engine', async () => {
  const stream = await openai().chat.completions.create({ ...ask, stream: true });
  for await (const _chunk of stream) break;
  expect((await openai().chat.completions.create(ask)).choices[0]?.message.content).toBe(answer);
});

llamaTest('ai sdk: text, whole and streamed', async () => {
  const given = { model: aiModel(), prompt: 'write double', temperature: 0, maxRetries: 0 };
  const whole = await generateText(given);
  expect([whole.text, whole.finishReason]).toEqual([answer, 'stop']);
  const streamed = streamText(given);
  expect(await Array.fromAsync(streamed.textStream).then((pieces) => pieces.join(''))).toBe(answer);
  expect((await streamed.usage).totalTokens).toBe(whole.usage.totalTokens);
});
