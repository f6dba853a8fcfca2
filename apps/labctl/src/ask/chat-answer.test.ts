import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CommandError } from '../command-error.ts';
import { ChatAnswer } from './chat-answer.ts';

const chunk = (delta: object, more: object = {}) =>
  JSON.stringify({ id: 'c1', created: 7, model: 'm', choices: [{ index: 0, delta, finish_reason: null, ...more }] });

describe('ChatAnswer', () => {
  test('puts the pieces together', () => {
    const answer = new ChatAnswer('asked');
    answer.add(chunk({ role: 'assistant', reasoning_content: 'hm' }));
    expect(answer.add(chunk({ content: 'Hel' }))).toEqual({ reasoning: '', content: 'Hel' });
    answer.add(chunk({ content: 'lo' }));
    expect(answer.complete).toBe(false);
    answer.add(chunk({}, { finish_reason: 'stop' }));
    answer.add(JSON.stringify({ id: 'c1', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }));
    answer.add('[DONE]');
    expect(answer.complete).toBe(true);
    expect(JSON.parse(JSON.stringify(answer))).toEqual({
      id: 'c1',
      object: 'chat.completion',
      created: 7,
      model: 'm',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Hello', reasoning_content: 'hm' }, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    });
  });

  test('an error inside the stream is told with its code', () => {
    const data = JSON.stringify({
      error: { message: 'the endpoint broke off', code: 'upstream_broken' },
      request_id: 'r1',
    });
    expect(() => new ChatAnswer('m').add(data)).toThrow('the endpoint broke off (upstream_broken, request r1)');
  });

  test('anything else is refused, never a crash', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (data) => {
        try {
          new ChatAnswer('m').add(data);
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
