/** How often a judge prefers what it sees first (AR14). Both orders are always played, so a fair one is at a half. */
import type { FinishedLeg } from '../contract/finished-run.ts';

/** Legs by who won: the answer shown first, or second. */
export type PositionCounts = { first: number; second: number; ties: number };

export type PositionBias = {
  /** Share of decided legs that the first won; null without any. */
  rate: number | null;
  /** Wilson, 95 %. */
  low: number;
  high: number;
  decided: number;
  /** `biased`: outside 0.45-0.55 and not by chance; `unclear`: outside, but a fair judge could be so far off. */
  state: 'unknown' | 'fair' | 'unclear' | 'biased';
};

const fairFrom = 0.45;
const fairTo = 0.55;
const z95 = 1.959964;

/** Of the calls of one judge; void ones count for nothing. */
export function positionsOf(legs: Iterable<Pick<FinishedLeg, 'leg' | 'scoreA' | 'scoreB'>>): PositionCounts {
  const counts = { first: 0, second: 0, ties: 0 };
  for (const { leg, scoreA, scoreB } of legs) {
    if (scoreA === null || scoreB === null) continue;
    const margin = leg === 'ab' ? scoreA - scoreB : scoreB - scoreA;
    counts[margin === 0 ? 'ties' : margin > 0 ? 'first' : 'second']++;
  }
  return counts;
}

export function positionBias({ first, second }: PositionCounts): PositionBias {
  const decided = first + second;
  if (decided === 0) return { rate: null, low: 0, high: 1, decided, state: 'unknown' };
  const rate = first / decided;
  const { low, high } = wilson(rate, decided);
  const fair = rate >= fairFrom && rate <= fairTo;
  const state = fair ? 'fair' : low > 0.5 || high < 0.5 ? 'biased' : 'unclear';
  return { rate, low, high, decided, state };
}

function wilson(rate: number, of: number): { low: number; high: number } {
  const squared = z95 ** 2 / of;
  const middle = (rate + squared / 2) / (1 + squared);
  const half = (z95 / (1 + squared)) * Math.sqrt((rate * (1 - rate)) / of + squared / (4 * of));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
