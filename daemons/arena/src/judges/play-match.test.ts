import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { deterministicJudge } from './deterministic-judge.ts';
import { combineLegs, judgeLeg, playMatch } from './play-match.ts';
import { judged, scores, scriptedJudge, textOf } from './testing/scripted-judge.ts';

const [good, bad] = [judged('good', { score: 0.9 }), judged('bad', { score: 0.25 })];
const { signal } = new AbortController();
const byText = scriptedJudge((first) => (textOf(first) === 'good' ? scores(8, 3) : scores(2, 9)));

test('the second leg shows b first, and its scores still belong to a and b', async () => {
  expect(await judgeLeg(byText, good, bad, 'ab', signal)).toMatchObject({ scoreA: 8, scoreB: 3 });
  expect(await judgeLeg(byText, good, bad, 'ba', signal)).toMatchObject({ scoreA: 9, scoreB: 2 });
  expect(byText.asked.map((pair) => pair.map(textOf))).toEqual([
    ['good', 'bad'],
    ['bad', 'good'],
  ]);
  expect(await playMatch(byText, good, bad, signal)).toEqual({ scoreA: 17, scoreB: 5, winner: 'a' });
});

test('a judge that prefers what it sees first plays ties', async () => {
  const first = scriptedJudge(() => scores(10, 1));
  expect(await playMatch(first, good, bad, signal)).toEqual({ scoreA: 11, scoreB: 11, winner: 'tie' });
});

test('different winners are a tie whatever the sums', () => {
  expect(combineLegs(scores(10, 0), scores(4, 5))).toEqual({ scoreA: 14, scoreB: 5, winner: 'tie' });
  expect(combineLegs(scores(5, 5), scores(4, 5))).toEqual({ scoreA: 9, scoreB: 10, winner: 'b' });
  expect(combineLegs(scores(5, 5), scores(7, 7)).winner).toBe('tie');
});

test('either leg void makes the match void, and the first spares the second', async () => {
  expect(combineLegs(null, scores(1, 0)).winner).toBe('void');
  expect(combineLegs(scores(1, 0), null)).toEqual({ scoreA: 0, scoreB: 0, winner: 'void' });
  const broken = scriptedJudge(() => null);
  expect((await playMatch(broken, good, bad, signal)).winner).toBe('void');
  expect(broken.asked).toHaveLength(1);
});

test('turning a match around turns its result around', () => {
  const said = fc.record({ scoreA: fc.integer({ min: 0, max: 10 }), scoreB: fc.integer({ min: 0, max: 10 }) });
  fc.assert(
    fc.property(said, said, (ab, ba) => {
      const swap = ({ scoreA, scoreB }: typeof ab) => scores(scoreB, scoreA);
      const one = combineLegs({ ...ab, rationale: null, usd: 0 }, { ...ba, rationale: null, usd: 0 });
      const other = combineLegs(swap(ba), swap(ab));
      const turned = { a: 'b', b: 'a', tie: 'tie', void: 'void' } as const;
      expect(other).toEqual({ scoreA: one.scoreB, scoreB: one.scoreA, winner: turned[one.winner] });
    }),
  );
});

test('every call is told as it is paid', async () => {
  let calls = 0;
  await playMatch(byText, good, bad, signal, ({ promptTokens }) => void (calls += promptTokens));
  expect(calls).toBe(2);
});

test('the deterministic judge says what verifiers say, for nothing', async () => {
  const said = await judgeLeg(deterministicJudge, good, bad, 'ba', signal);
  expect(said).toEqual({ scoreA: 9, scoreB: 2.5, rationale: null, usd: 0 });
  expect((await playMatch(deterministicJudge, good, good, signal)).winner).toBe('tie');
  expect(() => deterministicJudge.compare(good, bad, AbortSignal.abort())).toThrow('abort');
});
