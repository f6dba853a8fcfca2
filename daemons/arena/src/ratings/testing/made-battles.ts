import type { Battle } from '../bradley-terry.ts';
import { binomial } from '../binomial.ts';
import { type Random, seededRandom } from '../seeded-random.ts';

/** Evenly spread, mean 0. */
export const evenLogits = (players: number, width: number): number[] =>
  Array.from({ length: players }, (_, player) => width * (player / Math.max(1, players - 1) - 0.5));

/** Every pair meets about `total` / pairs times, as the strengths say; `tieShare` of the games are drawn. */
export function madeBattles(logits: readonly number[], total: number, seed: number, tieShare = 0): Battle[] {
  const random = seededRandom(seed);
  const pairs = logits.flatMap((_, a) => logits.slice(a + 1).map((__, at) => ({ a, b: a + 1 + at })));
  const games = Math.round(total / pairs.length);
  return pairs.map(({ a, b }) => gamesOf(a, b, logits, games, tieShare, random));
}

function gamesOf(
  a: number,
  b: number,
  logits: readonly number[],
  games: number,
  tieShare: number,
  random: Random,
): Battle {
  const ties = binomial(games, tieShare, random);
  const p = 1 / (1 + Math.exp((logits[b] ?? 0) - (logits[a] ?? 0)));
  const winsA = binomial(games - ties, p, random);
  return { a, b, winsA, winsB: games - ties - winsA, ties };
}
