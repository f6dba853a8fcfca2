import { bradleyTerry } from '../ratings/bradley-terry.ts';
import { shuffled } from '../ratings/seeded-random.ts';
import { type Field, type Method, type Pairing, places, pointsOf, type Result } from './field.ts';
import { swissPairs } from './swiss-pairs.ts';

/** What one place has behind it. */
type Tally = { points: number; counted: number; opponents: number[]; byes: number };
type Played = { tallies: readonly Tally[]; results: readonly Result[] };

/** Ties at the last digits of the fit are ties. */
const fitDigits = 1e6;

export const swissRounds = (size: number, asked: number | undefined, more: number): number =>
  Math.max(0, Math.min(asked ?? Math.ceil(Math.log2(size)) + more, size - 1));

/** Void matches count for nobody: points are compared per match that counted. */
const shareOf = ({ points, counted }: Tally) => (counted === 0 ? 0.5 : points / counted);

function note(tally: Tally, points: number | null): void {
  if (points === null) return;
  tally.points += points;
  tally.counted++;
}

/** With an odd number the lowest that had the fewest byes sits out, for a point. */
function byeOf(order: readonly number[], tallies: readonly Tally[]): number | undefined {
  if (order.length % 2 === 0) return undefined;
  const byes = (place: number) => tallies[place]?.byes ?? 0;
  const fewest = Math.min(...order.map(byes));
  return order.findLast((place) => byes(place) === fewest);
}

function noteRound(tallies: readonly Tally[], results: readonly Result[], bye: number | undefined): void {
  for (const result of results) {
    for (const [place, opponent] of [[result.a, result.b] as const, [result.b, result.a] as const]) {
      const tally = tallies[place] as Tally;
      tally.opponents.push(opponent);
      note(tally, pointsOf(result, place));
    }
  }
  const resting = bye === undefined ? undefined : tallies[bye];
  if (resting === undefined) return;
  resting.byes++;
  note(resting, 1);
}

function* playRounds(field: Field, rounds: number): Generator<readonly Pairing[], Played, readonly Result[]> {
  const tallies = places(field.size).map((): Tally => ({ points: 0, counted: 0, opponents: [], byes: 0 }));
  const drawn = shuffled(places(field.size), field.random);
  const met = (one: number, other: number) => tallies[one]?.opponents.includes(other) ?? false;
  const played: Result[] = [];
  for (let round = 0; round < rounds; round++) {
    const shares = tallies.map(shareOf);
    // A stable sort: equals stay in the drawn order.
    const order = drawn.toSorted((one, other) => (shares[other] ?? 0) - (shares[one] ?? 0));
    const bye = byeOf(order, tallies);
    const paired = order.filter((place) => place !== bye);
    const results = yield swissPairs(paired, met);
    noteRound(tallies, results, bye);
    played.push(...results);
  }
  return { tallies, results: played };
}

/** ceil(log2 n) rounds; then points, then Buchholz: the points of those one met. */
export const swiss: Method = function* (field) {
  const { tallies } = yield* playRounds(field, swissRounds(field.size, field.roundsMost, 0));
  const shares = tallies.map(shareOf);
  const buchholz = tallies.map(({ opponents }) => opponents.reduce((sum, place) => sum + (shares[place] ?? 0), 0));
  const keys = shares.map((share, place) => [share, buchholz[place] ?? 0]);
  return { keys, scores: shares, rewarding: 'mean_shared' };
};

/** One round more, and the order is that of a Bradley-Terry fit: whom one beat counts, not only how often. */
export const swissBt: Method = function* (field) {
  const { results } = yield* playRounds(field, swissRounds(field.size, field.roundsMost, 1));
  const battles = results
    .filter(({ winner }) => winner !== 'void')
    .map(({ a, b, winner }) => ({
      a,
      b,
      winsA: Number(winner === 'a'),
      winsB: Number(winner === 'b'),
      ties: Number(winner === 'tie'),
    }));
  const { logits } = bradleyTerry(field.size, battles);
  const scores = logits.map(
    (own) => (logits.reduce((all, other) => all + beats(own, other), 0) - 0.5) / (field.size - 1),
  );
  return { keys: logits.map((logit) => [Math.round(logit * fitDigits)]), scores, rewarding: 'mean_shared' };
};

const beats = (own: number, other: number) => 1 / (1 + Math.exp(other - own));
