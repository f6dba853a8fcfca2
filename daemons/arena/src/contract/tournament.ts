/**
 * A tournament as a pure function of what was played: the same rows give the same next matches, so a run that was killed
 * goes on where it stood (AR16).
 */
import type { TournamentMethod } from '@labmesh/wire/verification/verification-block';

/** `score`: what verifiers say of it, 0-1. Index = place among the entrants. */
export type Entrant = { valid: boolean; score: number; costUsd: number };

/** Both orders together; `void` when the judge failed. Scores are sums over the orders. */
export type PlayedMatch = {
  a: number;
  b: number;
  scoreA: number;
  scoreB: number;
  winner: 'a' | 'b' | 'tie' | 'void';
};

export type TournamentInput = {
  method: TournamentMethod;
  entrants: readonly Entrant[];
  played: readonly PlayedMatch[];
  /** Of draws (double elimination, byes); recorded with the run. */
  seed: number;
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
  | { state: 'play'; next: readonly { a: number; b: number }[] }
  | { state: 'done'; ranking: Ranking }
  | { state: 'inconclusive'; voided: number; of: number };
