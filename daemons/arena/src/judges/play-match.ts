import type { PlayedMatch } from '../contract/tournament.ts';
import type { Comparison, Judge, Judged, JudgeSpent } from '../contract/judge.ts';

/** `ab` shows `a` first, `ba` shows `b` first. */
export type Leg = 'ab' | 'ba';
export const legs: readonly Leg[] = ['ab', 'ba'];

/**
 * One call of the judge, to be recorded before the next (AR16). The scores belong to `a` and `b` in either leg; null =
 * void.
 * @throws what `compare` throws: AbortError, ApiError `budget_exceeded`
 */
export async function judgeLeg(
  judge: Judge,
  a: Judged,
  b: Judged,
  leg: Leg,
  signal: AbortSignal,
  onSpent?: (spent: JudgeSpent) => void,
): Promise<Comparison> {
  if (leg === 'ab') return judge.compare(a, b, signal, onSpent);
  const turned = await judge.compare(b, a, signal, onSpent);
  return turned && { ...turned, scoreA: turned.scoreB, scoreB: turned.scoreA };
}

type Outcome = Pick<PlayedMatch, 'scoreA' | 'scoreB' | 'winner'>;

const sign = (leg: NonNullable<Comparison>) => Math.sign(leg.scoreA - leg.scoreB);

/**
 * Both orders together (AR12): scores are summed; when the orders name different winners the match is a tie, and void
 * when either failed. A winner in one order and a tie in the other is a win: nothing speaks against it.
 */
export function combineLegs(ab: Comparison, ba: Comparison): Outcome {
  if (ab === null || ba === null) return { scoreA: 0, scoreB: 0, winner: 'void' };
  const scores = { scoreA: ab.scoreA + ba.scoreA, scoreB: ab.scoreB + ba.scoreB };
  const verdict = sign(ab) + sign(ba);
  if (verdict === 0) return { ...scores, winner: 'tie' };
  return { ...scores, winner: verdict > 0 ? 'a' : 'b' };
}

/** Both orders, one after the other. Who records each call uses `judgeLeg` and `combineLegs`. */
export async function playMatch(
  judge: Judge,
  a: Judged,
  b: Judged,
  signal: AbortSignal,
  onSpent?: (spent: JudgeSpent) => void,
): Promise<Outcome> {
  const ab = await judgeLeg(judge, a, b, 'ab', signal, onSpent);
  if (ab === null) return combineLegs(null, null);
  return combineLegs(ab, await judgeLeg(judge, a, b, 'ba', signal, onSpent));
}
