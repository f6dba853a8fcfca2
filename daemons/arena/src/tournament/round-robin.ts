import { mean, type Method, places, pointsOf } from './field.ts';

/** Every pair once: the most that can be known, for the most calls. */
export const roundRobin: Method = function* (field) {
  const all = places(field.size);
  const results = yield all.flatMap((a) => all.slice(a + 1).map((b) => ({ a, b })));
  const shares = all.map((place) => {
    const points = results
      .filter(({ a, b }) => a === place || b === place)
      .map((result) => pointsOf(result, place))
      .filter((value) => value !== null);
    return points.length === 0 ? 0.5 : mean(points);
  });
  return { keys: shares.map((share) => [share]), scores: shares, rewarding: 'best_shared' };
};
