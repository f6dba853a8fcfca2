import { seededRandom } from '../../ratings/seeded-random.ts';

type MeanInterval = { mean: number; low: number; high: number };

const resamples = 1_000;

/** Mean with its 95 % interval: percentiles of 1,000 resamples. The same values and seed give the same; 0 without values. */
export function meanInterval(values: readonly number[], seed: number): MeanInterval {
  const random = seededRandom(seed);
  const meanOf = (pick: (at: number) => number) =>
    values.reduce((sum, _, at) => sum + pick(at), 0) / Math.max(1, values.length);
  const drawn = Array.from({ length: resamples }, () =>
    meanOf(() => values[Math.floor(random() * values.length)] ?? 0),
  ).toSorted((a, b) => a - b);
  const at = (share: number) => drawn[Math.round(share * (resamples - 1))] ?? 0;
  return { mean: meanOf((place) => values[place] ?? 0), low: at(0.025), high: at(0.975) };
}
