import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ApiError } from '@labmesh/wire/errors';
import { parseChatRequest, parseCompletionRequest, parseEmbeddingRequest } from './request.ts';

const messages = [{ role: 'user', content: 'hi' }];
const chat = (rest: object) => parseChatRequest(JSON.stringify({ model: 'm', messages, ...rest }));
const completion = (rest: object) => parseCompletionRequest(JSON.stringify({ model: 'm', prompt: 'x', ...rest }));

function fault(call: () => unknown): [code: string, param: string | null] {
  try {
    call();
  } catch (error) {
    if (error instanceof ApiError) return [error.code, error.param];
    throw error;
  }
  throw new Error('no error came');
}

test('takes what OpenAI clients send', () => {
  const parsed = chat({
    max_tokens: 5,
    max_completion_tokens: 7,
    temperature: 0,
    top_p: null,
    seed: 3,
    stop: 'END',
    stream: true,
    stream_options: { include_usage: true },
    tools: [],
    user: 'someone',
  });
  expect(parsed).toMatchObject({ maxTokens: 7, stream: true, includeUsage: true, stop: ['END'] });
  expect(parsed.sampling).toEqual({ temperature: 0, topP: 0.95, topK: 40, minP: 0.05, seed: 3 });
});

test('messages may be texts or text parts; developer means system', () => {
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ];
  const parsed = chat({
    messages: [
      { role: 'developer', content: 'be brief' },
      { role: 'user', content: parts },
    ],
  });
  expect(parsed.messages).toEqual([
    { role: 'system', text: 'be brief' },
    { role: 'user', text: 'ab' },
  ]);
});

test('a completion prompt is one text', () => {
  expect(completion({ prompt: ['only'] }).prompt).toBe('only');
  expect(fault(() => completion({ prompt: ['a', 'b'] }))[1]).toBe('prompt');
  expect(fault(() => completion({ prompt: [1, 2] }))).toEqual(['invalid_type', 'prompt']);
  expect(fault(() => completion({ echo: true }))).toEqual(['unsupported_parameter', 'echo']);
});

test('what the engine cannot do is refused by name', () => {
  expect(fault(() => chat({ n: 2 }))).toEqual(['unsupported_parameter', 'n']);
  expect(fault(() => chat({ tools: [{ type: 'function' }] }))).toEqual(['unsupported_parameter', 'tools']);
  expect(fault(() => chat({ logprobs: true }))).toEqual(['unsupported_parameter', 'logprobs']);
  expect(fault(() => chat({ response_format: { type: 'json_object' } }))[1]).toBe('response_format');
  expect(fault(() => chat({ messages: [{ role: 'tool', content: 'x' }] }))[1]).toBe('messages[0].role');
  expect(fault(() => chat({ temperature: 9 }))).toEqual(['invalid_value', 'temperature']);
  expect(fault(() => chat({ max_tokens: '5' }))).toEqual(['invalid_type', 'max_tokens']);
});

test('two requests without a seed differ', () => {
  expect(chat({}).sampling.seed).not.toBe(chat({}).sampling.seed);
});

test('any text gives a request or an ApiError', () => {
  const json = fc.json({ depthSize: 'small' });
  const shaped = fc.record({
    model: fc.jsonValue(),
    messages: fc.jsonValue(),
    prompt: fc.jsonValue(),
    stop: fc.jsonValue(),
  });
  const input = fc.oneof(
    fc.string(),
    json,
    shaped.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(input, (text) => {
      for (const parse of [parseChatRequest, parseCompletionRequest, parseEmbeddingRequest]) {
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }
    }),
  );
});
