import type { Ranking } from '../contract/tournament.ts';
import type { Standing } from './field.ts';
import { mean } from './field.ts';

/** Competition ranks, 1 = best, and the order in which `preference` decides ties. */
export function rank(
  keys: readonly (readonly number[])[],
  preference: (one: number, other: number) => number,
): Pick<Ranking, 'order' | 'ranks'> {
  const byKey = (one: number, other: number) => compareKeys(keys[other] ?? [], keys[one] ?? []);
  const order = keys.map((_, place) => place).toSorted((one, other) => byKey(one, other) || preference(one, other));
  const ranks = keys.map((key) => 1 + keys.filter((other) => compareKeys(other, key) > 0).length);
  return { order, ranks };
}

function compareKeys(one: readonly number[], other: readonly number[]): number {
  for (const [at, value] of one.entries()) {
    const difference = value - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Rewards before normalisation (AR9's table). */
export function rawRewards(ranks: readonly number[], rewarding: Exclude<Standing['rewarding'], object>): number[] {
  const last = Math.max(...ranks);
  const steps = Math.max(1, ranks.length - 1);
  if (rewarding === 'best_shared') return ranks.map((own) => (last > 1 ? (last - own) / (last - 1) : 0));
  if (rewarding === 'by_rank') return ranks.map((own) => 1 - (own - 1) / steps);
  // Those that share rank r hold the positions r-1 .. r-2+n: the mean of their rewards.
  return ranks.map((own) => {
    const sharing = ranks.filter((other) => other === own).length;
    return (ranks.length - own - (sharing - 1) / 2) / steps;
  });
}

/** z = (r - mean) / (sample deviation + 1e-6); [] of none, [0] of one. */
export function zNormalised(rewards: readonly number[]): number[] {
  if (rewards.length < 2) return rewards.map(() => 0);
  const middle = mean(rewards);
  const squares = rewards.reduce((sum, reward) => sum + (reward - middle) ** 2, 0);
  const deviation = Math.sqrt(squares / (rewards.length - 1));
  return rewards.map((reward) => (reward - middle) / (deviation + 1e-6));
}
