import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseJudgeAnswer } from './judge-answer.ts';
import { verdictOf } from './testing/fake-judge-server.ts';

const answer = (a: unknown, b: unknown, winner: unknown, more = {}) =>
  JSON.stringify({ combined_scores: { Agent_A: a, Agent_B: b }, winner, ...more });

test('the object that was asked for, bare, in a fence, or after thoughts', () => {
  const wanted = { scoreA: 8, scoreB: 3.5, rationale: 'as it is' };
  const text = verdictOf(8, 3.5);
  for (const form of [
    text,
    `\n ${text}\n`,
    `\`\`\`json\n${text}\n\`\`\``,
    `<think>{"winner":"Tie"}</think>\n${text}`,
  ]) {
    expect(parseJudgeAnswer(form)).toEqual(wanted);
  }
  expect(parseJudgeAnswer(answer(8, 3.5, 'Agent_A', { confidence: 1 }))?.rationale).toBeNull();
  expect(parseJudgeAnswer(answer(1, 0, 'Agent_A', { rationale: 'x'.repeat(9000) }))?.rationale).toHaveLength(2000);
});

test('JSON inside other text is not looked for', () => {
  const text = verdictOf(8, 3);
  for (const form of [
    `Sure: ${text}`,
    `${text} done`,
    `${text}${text}`,
    `[${text}]`,
    JSON.stringify(text),
    '```',
    '',
  ]) {
    expect(parseJudgeAnswer(form)).toBeNull();
  }
  expect(parseJudgeAnswer(' '.repeat(70_000) + text)).toBeNull();
});

test.each([
  [11, 0, 'Agent_A'],
  [-1, 5, 'Agent_B'],
  ['8', 3, 'Agent_A'],
  [8, null, 'Agent_A'],
  [8, 3, 'Agent_C'],
  [8, 3, undefined],
  [8, 3, 'Agent_B'],
])('refuses scores %p and %p with winner %p', (a, b, winner) => {
  expect(parseJudgeAnswer(answer(a, b, winner))).toBeNull();
});

test('where scores and winner disagree on a tie, it is one', () => {
  expect(parseJudgeAnswer(answer(8, 6, 'Tie'))).toEqual({ scoreA: 7, scoreB: 7, rationale: null });
  expect(parseJudgeAnswer(answer(6, 6, 'Agent_B'))).toEqual({ scoreA: 6, scoreB: 6, rationale: null });
});

test('any text gives scores from 0 to 10 or none', () => {
  const parts = fc.constantFrom(
    '{',
    '}',
    '"combined_scores":',
    '{"Agent_A":9,"Agent_B":1}',
    ',',
    '"winner":"Agent_A"',
    '```',
  );
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.array(parts, { maxLength: 12 }).map((list) => list.join('')),
  );
  fc.assert(
    fc.property(text, (said) => {
      const read = parseJudgeAnswer(said);
      if (read === null) return;
      for (const score of [read.scoreA, read.scoreB]) expect(score >= 0 && score <= 10).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
