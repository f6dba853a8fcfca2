import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readAnswer } from './read-answer.ts';

const base = { id: 'c', created: 1, model: 'm' };
const event = (choices: unknown[]) =>
  `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices })}\n\n`;
const delta = (value: object, reason: string | null = null, index = 0) =>
  event([{ index, delta: value, finish_reason: reason }]);
const stream = (...events: string[]) => readAnswer(Buffer.from(events.join('')), true);
const whole = (choices: unknown[]) =>
  readAnswer(Buffer.from(JSON.stringify({ ...base, object: 'chat.completion', choices })), false);
const stop = delta({}, 'stop');

describe('what a client got', () => {
  test('text and calls of a stream, comments and other fields between', () => {
    const call = { id: 'a', index: 0, function: { name: 'f', arguments: '{"x"' } };
    const read = stream(
      ': comment\n\n',
      'event: x\n',
      delta({ role: 'assistant', content: 'a' }),
      delta({ content: 'b', tool_calls: [call] }),
      delta({ tool_calls: [{ function: { arguments: ':1}' } }] }),
      stop,
      event([]),
      'data: [DONE]\n\n',
    );
    expect(read).toMatchObject({ role: 'assistant', content: 'ab' });
    expect(read?.tool_calls).toMatchObject([{ id: 'a', function: { name: 'f', arguments: '{"x":1}' } }]);
  });

  test('lines that end in CRLF, and no blank after data:', () => {
    expect(
      stream(`${delta({ content: 'a' })}${stop}`.replaceAll('\n', '\r\n').replaceAll('data: ', 'data:')),
    ).toMatchObject({
      content: 'a',
    });
  });

  test('one object', () => {
    const choice = { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' };
    expect(whole([choice])).toMatchObject({ content: 'x' });
    expect(whole([choice, choice])).toBeUndefined();
    expect(whole([])).toBeUndefined();
  });

  test.each([
    ['a call in the old form', [delta({ content: 'a', function_call: { name: 'f', arguments: '{}' } }), stop]],
    ['a refusal beside the text', [delta({ content: 'a' }), delta({ refusal: 'no' }), stop]],
    ['an event over two lines', [`data: {"choices":[{"index":0,"delta":\ndata: {"content":"b"}}]}\n\n`, stop]],
    ['a line that ends in CR alone', [`: x\r${delta({ content: 'b' })}`, delta({ content: 'a' }), stop]],
    ['a stream that broke off', [delta({ content: 'a' })]],
    ['several choices', [delta({ content: 'a' }), delta({ content: 'b' }, 'stop', 1), stop]],
    ['a call out of its place', [delta({ tool_calls: [{ index: 5, function: { name: 'f' } }] }), stop]],
    ['more than 100,000 characters', [delta({ content: 'x'.repeat(100_001) }), stop]],
    [
      'arguments of more than that',
      [delta({ tool_calls: [{ index: 0, function: { name: 'f', arguments: 'x'.repeat(100_001) } }] }), stop],
    ],
    ['no stream at all', ['<html>']],
  ])('%s is not judged', (_, events) => expect(stream(...events)).toBeUndefined());

  test('any bytes give a message within the bounds, or nothing', () => {
    const call = fc.record(
      { index: fc.integer({ min: -1, max: 300 }), function: fc.jsonValue() },
      { requiredKeys: [] },
    );
    const line = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => `data: ${JSON.stringify(value)}`),
      fc.record({ content: fc.jsonValue(), tool_calls: fc.array(call) }).map((value) => delta(value)),
      fc.constant(stop),
    );
    fc.assert(
      fc.property(fc.array(line), fc.boolean(), (lines, isStream) => {
        const read = readAnswer(Buffer.from(lines.join('\n')), isStream);
        expect(read?.tool_calls?.length ?? 0).toBeLessThanOrEqual(128);
      }),
    );
  });
});
