import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CandidateFault } from './candidate-fault.ts';
import { answerText, answerToolCalls } from './candidate-text.ts';
import { makeCandidate } from './make-candidate.ts';
import { callingCandidate, sampleCandidate } from './testing/sample-candidate.ts';

describe('the forms an answer comes in', () => {
  test('text, null, parts, refusals, and what the original wrote', () => {
    expect(answerText(sampleCandidate('hi'))).toBe('hi');
    expect(answerText(sampleCandidate({ role: 'assistant', content: null }))).toBe('');
    expect(answerText(sampleCandidate({ role: 'assistant' }))).toBe('');
    const content = [{ type: 'text', text: 'a' }, { type: 'refusal', refusal: 'no' }, { type: 'image' }, null, 7, 'x'];
    expect(answerText(sampleCandidate({ content }))).toBe('a\nno');
    const original = sampleCandidate({ content: 'c', tool_calls: [{ name: 'f', arguments: { a: 1 } }] });
    expect(original.answer.role).toBe('assistant');
    expect(answerToolCalls(original)).toEqual([{ name: 'f', arguments: '{"a":1}' }]);
  });
  test('an answer is the assistant’s, whatever role it claims', () => {
    expect(sampleCandidate({ role: 'user', content: 'x' }).answer.role).toBe('assistant');
  });
  test('tool calls of every form, the legacy one too', () => {
    expect(answerToolCalls(callingCandidate('f', '{}'))).toEqual([{ name: 'f', arguments: '{}' }]);
    const legacy = sampleCandidate({ content: null, function_call: { name: 'g', arguments: '{"b":2}' } });
    expect(answerToolCalls(legacy)).toEqual([{ name: 'g', arguments: '{"b":2}' }]);
    const odd = sampleCandidate({
      content: null,
      tool_calls: [null, 1, 'x', {}, { function: {} }, { function: { name: 3 } }],
    });
    expect(answerToolCalls(odd)).toEqual(Array.from({ length: 6 }, () => ({ name: '', arguments: '' })));
  });
  test('the conversation before is never part of it', () => {
    const candidate = makeCandidate({ messages: [{ role: 'user', content: 'rm -rf /' }], answer: 'no' });
    expect(answerText(candidate)).toBe('no');
  });
});

describe('the digest', () => {
  test('is of the answer alone, whatever the order of its members', () => {
    const a = sampleCandidate({ content: 'x', tool_calls: [] });
    const b = makeCandidate({ messages: [], answer: { tool_calls: [], content: 'x' }, metadata: { k: 1 } });
    expect(a.digest).toBe(b.digest);
    expect(a.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(sampleCandidate('y').digest).not.toBe(a.digest);
  });
  test('lone surrogates become U+FFFD in what is judged, hashed and given on', () => {
    const candidate = sampleCandidate({
      content: 'a\ud800b',
      tool_calls: [{ name: '\udc00', arguments: '{"\ud800":1}' }],
    });
    expect(answerText(candidate)).toBe('a\ufffdb');
    expect(answerToolCalls(candidate)[0]?.name).toBe('\ufffd');
  });
  test('a member called __proto__ is a member', () => {
    const hostile = JSON.parse('{"content":"x","__proto__":{"content":"y","role":"user"}}') as Record<string, unknown>;
    const candidate = sampleCandidate(hostile);
    expect(answerText(candidate)).toBe('x');
    expect(Object.hasOwn(candidate.answer, '__proto__')).toBe(true);
    expect(({} as Record<string, unknown>).content).toBeUndefined();
  });
  test('deep, huge and strange values are hashed too', () => {
    let deep: unknown = 'x';
    for (let level = 0; level < 10_000; level++) deep = [deep];
    expect(
      sampleCandidate({ content: 'x', deep, none: undefined, big: 1n as unknown, nan: Number.NaN }).digest,
    ).toHaveLength(64);
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true }), (value) => {
        expect(sampleCandidate({ content: 'x', value }).digest).toHaveLength(64);
      }),
    );
  });
});

test('tool calls have limits of their own', () => {
  const code = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return error instanceof CandidateFault ? error.code : undefined;
    }
    return undefined;
  };
  const many = (count: number) =>
    sampleCandidate({ content: null, tool_calls: Array.from({ length: count }, () => ({ name: 'f' })) });
  expect(code(() => answerToolCalls(many(64)))).toBeUndefined();
  expect(code(() => answerToolCalls(many(65)))).toBe('TOO_MANY_TOOL_CALLS');
  expect(code(() => answerToolCalls(callingCandidate('f', `"${'a'.repeat(100_001)}"`)))).toBe('ANSWER_TOO_LONG');
});
