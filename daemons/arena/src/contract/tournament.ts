/**
 * A tournament as a pure function of what was played: the same rows give the same next matches, so a run that was killed
 * goes on where it stood (AR16).
 */
import type { TournamentMethod } from '@labmesh/wire/verification/verification-block';

/** Index = place among the entrants. Those that are not valid play no match and stand below all that are. */
export type Entrant = {
  valid: boolean;
  /** What verifiers say of it, 0-1. */
  score: number;
  costUsd: number;
  /** Of its verdicts (AR11), for verification_weighted; absent: 1. */
  weight?: number;
};

/** `a` < `b`. Brackets may bring a pair together twice, in two rounds: a match is known by all three. */
export type PlannedMatch = { round: number; a: number; b: number };

/** Both orders together; `void` when the judge failed. Scores are sums over the orders. */
export type PlayedMatch = PlannedMatch & {
  scoreA: number;
  scoreB: number;
  winner: 'a' | 'b' | 'tie' | 'void';
};

export type TournamentInput = {
  method: TournamentMethod;
  /** 16 at most. */
  entrants: readonly Entrant[];
  /** In any order; matches that were never planned are not looked at. */
  played: readonly PlayedMatch[];
  /** Of draws (double elimination); recorded with the run. */
  seed: number;
  /** `max_num_rounds` of swiss and swiss_bt; never over entrants - 1. */
  roundsMost?: number;
  /** Most that a failed entrant's reward can be; absent: -1, for verification_weighted -10. Composite judges want -10. */
  floor?: number;
};

export type Ranking = {
  /** Indices, best first. */
  order: readonly number[];
  /** 1 = best; ties share. */
  ranks: readonly number[];
  /** Per entrant: z-normalised, floors applied (AR9). */
  rewards: readonly number[];
  /** 0-1 per entrant: how good beside the others. */
  scores: readonly number[];
};

/** `next` may be played side by side; inconclusive when more than 20 % were void. */
export type TournamentStep =
  | { state: 'play'; next: readonly PlannedMatch[] }
  | { state: 'done'; ranking: Ranking }
  | { state: 'inconclusive'; voided: number; of: number };
