/**
 * What the methods work on: the valid entrants under places 0..n-1 of their own. A method is a generator: it yields the
 * pairs of a round, gets their results in the same order, and returns the standing. So each reads as its rule does, and
 * is replayed from the rows at every step.
 */
import type { Random } from '../ratings/seeded-random.ts';

/** Places, `a` < `b`. */
export type Pairing = { a: number; b: number };
export type Result = Pairing & { scoreA: number; scoreB: number; winner: 'a' | 'b' | 'tie' | 'void' };

export type Field = {
  /** At least 2. */
  size: number;
  /** Lower first where results say nothing more: cost, then index (AR10). */
  preference: (a: number, b: number) => number;
  weights: readonly number[];
  roundsMost: number | undefined;
  random: Random;
};

/** How ranks become rewards: ties share the best one, or the mean of theirs, or stand at their rank; or as given. */
type Rewarding = 'best_shared' | 'mean_shared' | 'by_rank' | { rewards: readonly number[] };

export type Standing = {
  /** Per place, compared from the left, greater is better; equal keys are a tie. */
  keys: readonly (readonly number[])[];
  /** Per place, 0-1; absent: by rank. */
  scores?: readonly number[];
  rewarding: Rewarding;
};

export type Method = (field: Field) => Generator<readonly Pairing[], Standing, readonly Result[]>;

export const places = (size: number): number[] => Array.from({ length: size }, (_, place) => place);

export const pairing = (one: number, other: number): Pairing =>
  one < other ? { a: one, b: other } : { a: other, b: one };

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Points of one place from a result: 1, 0.5, 0; null when it was void. */
export function pointsOf(result: Result, place: number): number | null {
  if (result.winner === 'void') return null;
  if (result.winner === 'tie') return 0.5;
  return (result.winner === 'a') === (result.a === place) ? 1 : 0;
}

/** The judge's score of one place, both orders summed; null when it was void. */
export function scoreOf(result: Result, place: number): number | null {
  if (result.winner === 'void') return null;
  return result.a === place ? result.scoreA : result.scoreB;
}
