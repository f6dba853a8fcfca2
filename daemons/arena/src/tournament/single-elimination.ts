import { anchorPass } from './anchor.ts';
import { eliminationStanding, winnerOf } from './elimination.ts';
import { type Method, pairing, places } from './field.ts';

/** Seeds of a standard bracket of 2^k places: 0 meets 1 in the final at the earliest. */
export function bracketSeeds(size: number): number[] {
  let seeds = [0];
  while (seeds.length < size) {
    const last = seeds.length * 2 - 1;
    seeds = seeds.flatMap((seed) => [seed, last - seed]);
  }
  return seeds;
}

type Slot = number | undefined;

/** Two by two; a slot without a place is a bye. */
const duelsOf = (slots: readonly Slot[]): [Slot, Slot][] =>
  slots.flatMap((slot, at) => (at % 2 === 0 ? [[slot, slots[at + 1]]] : []));

/** An anchor pass seeds the bracket; its byes go to the top. */
export const singleElimination: Method = function* (field) {
  const { scores, results: all } = yield* anchorPass(field);
  const played = [...all];
  const order = places(field.size).toSorted(
    (one, other) => (scores[other] ?? 0) - (scores[one] ?? 0) || field.preference(one, other),
  );
  const bySeed = (one: number, other: number) => order.indexOf(one) - order.indexOf(other);
  let slots = bracketSeeds(field.size).map((seed): Slot => order[seed]);
  const lost = new Map<number, number>();
  for (let round = 0; slots.length > 1; round++) {
    const duels = duelsOf(slots);
    const results = yield duels.flatMap(([one, other]) =>
      one === undefined || other === undefined ? [] : [pairing(one, other)],
    );
    played.push(...results);
    for (const result of results) {
      const winner = winnerOf(result, bySeed);
      lost.set(winner === result.a ? result.b : result.a, round);
    }
    slots = duels.map(([one, other]) => (one === undefined || lost.has(one) ? other : one));
  }
  return eliminationStanding(field.size, lost, played);
};
