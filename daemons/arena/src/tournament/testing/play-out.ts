/** Plays tournaments to their end with simulated judges: for tests and benches. */
import type { Entrant, PlannedMatch, PlayedMatch, TournamentInput, TournamentStep } from '../../contract/tournament.ts';
import { seededRandom } from '../../ratings/seeded-random.ts';
import { tournamentStep } from '../tournament-step.ts';

type Ended = { played: PlayedMatch[]; end: Exclude<TournamentStep, { state: 'play' }>; steps: number };
type Start = Omit<TournamentInput, 'played'>;

export const equals = (count: number): Entrant[] =>
  Array.from({ length: count }, () => ({ valid: true, score: 1, costUsd: 0 }));

/** `play` answers each match once. */
export function playOut(input: Start, play: (match: PlannedMatch) => PlayedMatch): Ended {
  const played: PlayedMatch[] = [];
  for (let steps = 1; ; steps++) {
    const step = tournamentStep({ ...input, played });
    if (step.state !== 'play') return { played, end: step, steps };
    played.push(...step.next.map(play));
  }
}

/** A match whose result hangs on the match and `seed` alone: in whatever order matches are played, they end alike. */
export function drawnMatch(match: PlannedMatch, seed: number, voidShare = 0): PlayedMatch {
  const random = seededRandom(seed * 100_003 + match.round * 331 + match.a * 17 + match.b);
  const [fate, scoreA, scoreB] = [random(), Math.floor(random() * 11), Math.floor(random() * 11)];
  if (fate < voidShare) return { ...match, scoreA: 0, scoreB: 0, winner: 'void' };
  const winner = scoreA === scoreB ? 'tie' : scoreA > scoreB ? 'a' : 'b';
  return { ...match, scoreA: scoreA * 2, scoreB: scoreB * 2, winner };
}

const sigma = (logit: number) => 1 / (1 + Math.exp(-logit));
const discrimination = 1.5;
const firstBias = 0.7;

export type Simulated = Omit<Start, 'entrants' | 'seed'> & {
  size: number;
  trials: number;
  seed: number;
  orders: 1 | 2;
};

/**
 * Share of trials in which the best of `size` candidates came first (AC6): qualities ~ N(0, 1), and a judge that prefers
 * what it sees first, P(first wins) = sigma(1.5 (q1 - q2) + 0.7).
 */
export function bestFirstShare({ size, trials, seed, orders, ...input }: Simulated): number {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const entrants = equals(size);
  let found = 0;
  for (let trial = 0; trial < trials; trial++) {
    const qualities = entrants.map(normal);
    const play = ({ round, a, b }: PlannedMatch): PlayedMatch => {
      const logit = discrimination * ((qualities[a] ?? 0) - (qualities[b] ?? 0));
      const ab = random() < sigma(logit + firstBias) ? 1 : 0;
      const ba = orders === 1 ? ab : random() < sigma(firstBias - logit) ? 0 : 1;
      const scoreA = ab + ba;
      return { round, a, b, scoreA, scoreB: 2 - scoreA, winner: scoreA === 1 ? 'tie' : scoreA > 1 ? 'a' : 'b' };
    };
    const { end } = playOut({ ...input, entrants, seed: trial }, play);
    const best = qualities.indexOf(Math.max(...qualities));
    if (end.state === 'done' && end.ranking.order[0] === best) found++;
  }
  return found / trials;
}
