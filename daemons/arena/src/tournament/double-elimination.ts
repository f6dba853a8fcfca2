import { shuffled } from '../ratings/seeded-random.ts';
import { eliminationStanding, winnerOf } from './elimination.ts';
import { type Method, pairing, type Pairing, places, type Result } from './field.ts';

/** Neighbours of a drawn order; with an odd number the last sits out. */
const pairsOf = (drawn: readonly number[]): Pairing[] =>
  drawn.flatMap((place, at) => {
    const other = drawn[at + 1];
    return at % 2 === 0 && other !== undefined ? [pairing(place, other)] : [];
  });

/**
 * Two losses put one out. Winners and losers are drawn anew each round; the last of both meet once, without a reset.
 * Whatever the byes, n - 1 lose once, n - 2 of them twice, and the final is one match more.
 */
export const doubleElimination: Method = function* (field) {
  let winners = places(field.size);
  let losers: number[] = [];
  const lost = new Map<number, number>();
  const played: Result[] = [];
  for (let round = 0; winners.length > 1 || losers.length > 0; round++) {
    const final = winners.length === 1 && losers.length === 1;
    const pairs = final
      ? pairsOf([...winners, ...losers])
      : [...pairsOf(shuffled(winners, field.random)), ...pairsOf(shuffled(losers, field.random))];
    const results = yield pairs;
    played.push(...results);
    for (const result of results) {
      const winner = winnerOf(result, field.preference);
      const loser = winner === result.a ? result.b : result.a;
      if (losers.includes(loser) || final) lost.set(loser, round);
      else losers.push(loser);
      winners = winners.filter((place) => place !== loser);
    }
    losers = losers.filter((place) => !lost.has(place));
    if (final) break;
  }
  return eliminationStanding(field.size, lost, played);
};
