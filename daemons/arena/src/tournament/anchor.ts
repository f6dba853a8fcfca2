import { type Field, mean, type Method, type Pairing, places, type Result, scoreOf } from './field.ts';

/** Both orders, 0-10 each. */
const scoreMost = 20;

type Pass = { scores: number[]; results: readonly Result[] };

/** Everyone against place 0; mean scores per place. Who has only a void match stands in the middle of the others. */
export function* anchorPass(field: Field): Generator<readonly Pairing[], Pass, readonly Result[]> {
  const challengers = places(field.size).slice(1);
  const results = yield challengers.map((place) => ({ a: 0, b: place }));
  const own = results.map((result) => scoreOf(result, 0)).filter((score) => score !== null);
  const others = results.map((result) => scoreOf(result, result.b));
  const middle = mean(others.filter((score) => score !== null));
  return { scores: [mean(own), ...others.map((score) => score ?? middle)], results };
}

const share = (score: number) => Math.min(1, Math.max(0, score / scoreMost));

/** The cheapest method, and the weakest: all that is compared is who beats place 0. Also verified_anchor. */
export const anchor: Method = function* (field) {
  const { scores } = yield* anchorPass(field);
  return { keys: scores.map((score) => [score]), scores: scores.map(share), rewarding: 'best_shared' };
};

/** Anchor scores times the weight of what was verified (AR11), stretched to -1..1. */
export const verificationWeighted: Method = function* (field) {
  const { scores } = yield* anchorPass(field);
  const weighted = scores.map((score, place) => Math.max(0, score) * (field.weights[place] ?? 1));
  const [low, high] = [Math.min(...weighted), Math.max(...weighted)];
  const scaled = weighted.map((value) => (high > low ? (value - low) / (high - low) : 0.5));
  const rewards = scaled.map((value) => 2 * value - 1);
  return { keys: weighted.map((value) => [value]), scores: scaled, rewarding: { rewards } };
};
