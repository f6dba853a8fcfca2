import { describe, expect, test } from 'bun:test';
import { ApiError, errorTable, openaiErrorBody, type ErrorCode } from './errors.ts';
import * as openai from './openai.ts';

describe('requests', () => {
  test('unknown fields are kept, content may be text, parts or null', () => {
    const request = {
      model: 'm',
      stream: true,
      stream_options: { include_usage: true, x: 1 },
      min_p: 0.1,
      messages: [
        { role: 'developer', content: 'hi' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:' } }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'x' },
      ],
    };
    expect(openai.chatCompletionRequestSchema.parse(request) as unknown).toEqual(request);
  });

  test('prompt and input may be text or tokens, one or many', () => {
    for (const prompt of ['a', ['a', 'b'], [1, 2], [[1], [2]]]) {
      expect(openai.completionRequestSchema.safeParse({ model: 'm', prompt }).success).toBe(true);
      expect(openai.embeddingRequestSchema.safeParse({ model: 'm', input: prompt }).success).toBe(true);
    }
  });

  test('what cannot be served is refused', () => {
    expect(openai.chatCompletionRequestSchema.safeParse({ model: '', messages: [{ role: 'user' }] }).success).toBe(
      false,
    );
    expect(openai.chatCompletionRequestSchema.safeParse({ model: 'm', messages: [] }).success).toBe(false);
    expect(openai.embeddingRequestSchema.safeParse({ model: 'm', input: 1 }).success).toBe(false);
  });
});

describe('answers of real engines', () => {
  test('vLLM: a chunk with reasoning, the usage chunk, a numeric error code', () => {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' };
    openai.chatCompletionChunkSchema.parse({
      ...head,
      choices: [
        { index: 0, delta: { role: 'assistant', reasoning: 'hm', content: '' }, logprobs: null, finish_reason: null },
      ],
    });
    const { usage } = openai.chatCompletionChunkSchema.parse({
      ...head,
      choices: [],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 4,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 2 },
        completion_tokens_details: null,
      },
    });
    expect(usage?.prompt_tokens_details?.cached_tokens).toBe(2);
    openai.errorBodySchema.parse({ error: { message: 'x', type: 'BadRequestError', param: null, code: 400 } });
  });

  test('llama.cpp: timings beside usage are kept', () => {
    const answer = {
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-3.5-turbo',
      system_fingerprint: 'b1',
      timings: { prompt_n: 1 },
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'x', reasoning_content: 'y' } },
      ],
      usage: { completion_tokens: 1, prompt_tokens: 1, total_tokens: 2 },
    };
    expect(openai.chatCompletionSchema.parse(answer) as unknown).toEqual(answer);
  });

  test('completions, embeddings and model lists', () => {
    openai.completionSchema.parse({
      id: 'c',
      object: 'text_completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, text: 'x', finish_reason: 'length' }],
    });
    openai.embeddingListSchema.parse({
      object: 'list',
      model: 'm',
      data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
    openai.modelListSchema.parse({
      object: 'list',
      data: [{ id: 'm', object: 'model', created: 0, owned_by: 'vllm', max_model_len: 4096 }],
      labmesh: { unavailable_models: ['x'] },
    });
  });
});

test('every code of the error table gives a valid error body that names no address', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const error = new ApiError(code, { log: '10.0.0.5:11434' });
    const body = openaiErrorBody(error, 'req_1');
    expect(openai.errorBodySchema.parse(body).error.code).toBe(code);
    expect(JSON.stringify(body)).not.toContain('10.0.0.5');
    expect(error.status).toBe(errorTable[code].status);
  }
});
