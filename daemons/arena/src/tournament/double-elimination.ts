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
 * Whatever the byes, n - 1 lose once, n - 2 of them twice, and the final is one match more. After a tie the draw decides
 * who goes on (by cost or index it would always be the same one), in the final the unbeaten one.
 */
export const doubleElimination: Method = function* (field) {
  let winners = places(field.size);
  let losers: number[] = [];
  const lost = new Map<number, number>();
  const played: Result[] = [];
  for (let round = 0; winners.length > 1 || losers.length > 1; round++) {
    const drawn = [...shuffled(winners, field.random), ...shuffled(losers, field.random)];
    const byDraw = (one: number, other: number) => drawn.indexOf(one) - drawn.indexOf(other);
    const beaten = new Set(losers);
    const results = yield [...pairsOf(drawn.slice(0, winners.length)), ...pairsOf(drawn.slice(winners.length))];
    played.push(...results);
    const fell = results.map((result) => loserOf(result, byDraw));
    for (const place of fell) if (beaten.has(place)) lost.set(place, round);
    winners = winners.filter((place) => !fell.includes(place));
    losers = [...losers.filter((place) => !lost.has(place)), ...fell.filter((place) => !beaten.has(place))];
  }
  const [unbeaten, challenger] = [...winners, ...losers] as [number, number];
  const [final] = yield [pairing(unbeaten, challenger)];
  if (final === undefined) throw new TypeError('a round was answered without its results');
  lost.set(
    loserOf(final, (one) => (one === unbeaten ? -1 : 1)),
    Number.MAX_SAFE_INTEGER - 1,
  );
  return eliminationStanding(field.size, lost, [...played, final]);
};

function loserOf(result: Result, preference: (one: number, other: number) => number): number {
  return winnerOf(result, preference) === result.a ? result.b : result.a;
}
