import { addGames, type Battle, bradleyTerry, fitSums, type Sums, sumsOf } from './bradley-terry.ts';
import { binomial } from './binomial.ts';
import { type Random, seededRandom } from './seeded-random.ts';

export type Interval = { logit: number; low: number; high: number };

export const resamples = 1000;
/** A resample's strengths are needed to a hundredth of an interval, not to the last digit. */
const resampleClose = 1e-5;
/** Work between pauses, so that a daemon goes on answering. */
const stretchMs = 10;

/**
 * Strengths with their 95 % intervals: percentiles of fits over 1,000 multinomial resamples of the counts (AR15). The same
 * counts and seed give the same intervals.
 */
export async function ratingIntervals(players: number, battles: readonly Battle[], seed: number): Promise<Interval[]> {
  const { logits } = bradleyTerry(players, battles);
  const random = seededRandom(seed);
  const resample = () => fitSums(resampled(players, battles, random), logits, resampleClose).logits;
  return percentileIntervals(logits, resample);
}

/** 95 % intervals about `logits`, from 1,000 of what `resample` gives; a daemon goes on answering meanwhile. */
export async function percentileIntervals(
  logits: readonly number[],
  resample: () => readonly number[],
): Promise<Interval[]> {
  const drawn = logits.map(() => new Float64Array(resamples));
  let pausedAt = performance.now();
  for (let sample = 0; sample < resamples; sample++) {
    if (performance.now() - pausedAt > stretchMs) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      pausedAt = performance.now();
    }
    for (const [player, logit] of resample().entries()) (drawn[player] as Float64Array)[sample] = logit;
  }
  return logits.map((logit, player) => {
    const sorted = drawn[player]?.toSorted() ?? new Float64Array();
    return { logit, low: percentile(sorted, 0.025), high: percentile(sorted, 0.975) };
  });
}

/** As many battles again, drawn from all outcomes of all pairs together: battles are drawn whole, then weighed. */
function resampled(players: number, battles: readonly Battle[], random: Random): Sums {
  const sums = sumsOf(players, []);
  let left = battles.reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);
  let trials = Math.round(left);
  const draw = (count: number) => {
    const successes = count === 0 ? 0 : binomial(trials, count / left, random);
    left -= count;
    trials -= successes;
    return successes;
  };
  for (const { a, b, winsA, winsB, ties, weight = 1 } of battles) {
    const [wonA, wonB, drew] = [draw(winsA), draw(winsB), draw(ties)];
    if (wonA + wonB + drew > 0) addGames(sums, a, b, weight * (wonA + drew / 2), weight * (wonB + drew / 2));
  }
  return sums;
}

/** With linear interpolation between neighbours. */
function percentile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const [low, high] = [sorted[below] ?? 0, sorted[Math.min(below + 1, sorted.length - 1)] ?? 0];
  return low + (high - low) * (at - below);
}
