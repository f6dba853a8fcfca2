/** Ratings over counts: what a leaderboard costs does not depend on how often its models met. */
import { bradleyTerry } from '@labmesh/arena/ratings/bradley-terry';
import { leverage } from '@labmesh/arena/ratings/leverage';
import { ratingIntervals } from '@labmesh/arena/ratings/rating-intervals';
import { evenLogits, madeBattles } from '@labmesh/arena/ratings/testing/made-battles';
import { bestFirstShare } from '@labmesh/arena/tournament/testing/play-out';
import { percentile } from '../percentile.ts';
import { cell } from '../report.ts';
import type { PartFigures, VerifyPart } from './verify-part.ts';

const models = 100;
const battles = 1_000_000;
const fits = 50;
const trials = 3000;
const methods = ['round_robin', 'swiss_bt', 'double_elimination', 'swiss', 'single_elimination', 'anchor'] as const;

async function msOf(work: () => unknown): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** Share of trials in which each method finds the best of 5 and of 16 (verification AC6). */
function topOne(): Record<string, number> {
  const figures = methods.flatMap((method) =>
    [5, 16].map((size) => {
      const roundsMost = Math.ceil(Math.log2(size)) + 1;
      const share = bestFirstShare({ method, size, trials, seed: 1, orders: 2, roundsMost });
      return [`top1_${method}_${size}_percent`, 100 * share];
    }),
  );
  return Object.fromEntries(figures) as Record<string, number>;
}

async function measure(): Promise<PartFigures> {
  const known = evenLogits(models, 4);
  const counts = madeBattles(known, battles, 1);
  const times: number[] = [];
  for (let fit = 0; fit < fits; fit++) times.push(await msOf(() => bradleyTerry(models, counts)));
  const { logits } = bradleyTerry(models, counts);
  const errors = known.map((logit, model) => Math.abs(logit - (logits[model] ?? NaN)));
  const metrics = {
    bt_fit_p50_ms: percentile(
      times.toSorted((a, b) => a - b),
      0.5,
    ),
    bt_largest_error_logit: Math.max(...errors),
    bt_intervals_ms: await msOf(() => ratingIntervals(models, counts, 1)),
    bt_leverage_ms: await msOf(() => leverage(models, counts)),
    ...topOne(),
  };
  const table = [['ratings', 'value'], ...Object.entries(metrics).map(([name, value]) => [name, cell(value, 2)])];
  const notes = [
    `ratings: ${battles} battles of ${models} models as counts; top 1 of ${trials} trials, a biased judge`,
  ];
  return { metrics, notes, table };
}

export const ratings: VerifyPart = { goals: [{ metric: 'bt_fit_p50_ms', max: 100 }], measure };
