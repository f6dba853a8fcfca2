/**
 * A run as it ended: what certificates (CT1) and preference pairs (PD1) are made of. Texts are here even when the rows
 * drop them (P7): who keeps this beyond the call asks first whether the tenant's capture is on (`keepsTexts`).
 */
import type { ChatCompletionRequest, ChatMessage } from '@labmesh/wire/openai';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Aggregate, Outcome } from '@labmesh/wire/verification/verdict';
import type {
  TournamentMethod,
  VerificationBlock,
  VerificationMode,
} from '@labmesh/wire/verification/verification-block';

/** What one variation was asked with; `null` = left to the engine. */
export type Sampling = {
  model: string;
  temperature: number | null;
  topP: number | null;
  topK: number | null;
  seed: number | null;
  /** Whether the engine that answered honours seeds (AR2); null = not known, absent = it did not answer, or nobody looked. */
  replayable?: boolean | null;
  /** Put after the last user message (prompt_perturbation); null = none. */
  suffix: string | null;
};

/** An answer with all that was said of it. `grants`: properties that its passed checks give, without LABMESH_ (CT2). */
export type FinishedAnswer = {
  answer: ChatMessage;
  /** Hex SHA-256 over the canonical JSON of `answer`. */
  digest: string;
  aggregate: Aggregate;
  grants: readonly string[];
};

/** One attempt at mending (AR8): `attempt` from 1; `answer` is null when the model gave none. */
export type FinishedCorrection = {
  attempt: number;
  /** Names of the verifiers whose failures were told. */
  failures: readonly string[];
  /** The feedback, as the user message that the model got. */
  prompt: ChatMessage;
  result: FinishedAnswer | null;
  success: boolean;
  latencyMs: number;
};

export type FinishedCandidate = {
  index: number;
  /** Index of an earlier candidate with the same answer: its verdicts are this one's too. */
  sameAs: number | null;
  state: 'generated' | 'stopped' | 'failed';
  /** Why it was stopped or failed. */
  reason: string | null;
  sampling: Sampling;
  /** As the engine names it. */
  model: string;
  /** Its model called tools before it answered (AR18): the answer rests on what the prompt does not say. */
  usesTools?: boolean;
  finishReason: string | null;
  /** Before any correction; null when there is no whole answer. */
  original: FinishedAnswer | null;
  corrections: readonly FinishedCorrection[];
  /** What went into the tournament: the last valid correction, else the original. */
  final: FinishedAnswer | null;
  /** 0-1, beside the others after the tournament. */
  score: number;
  /** z-normalised, floors applied (AR9). */
  reward: number;
  /** 1 = best; null when it took no part. */
  rank: number | null;
  tokensIn: number;
  tokensOut: number;
  costNano: number;
  latencyMs: number;
};

/** One judge's call; scores are null when it was void. */
export type FinishedLeg = {
  round: number;
  a: number;
  b: number;
  leg: 'ab' | 'ba';
  judge: string;
  scoreA: number | null;
  scoreB: number | null;
  rationale: string | null;
};

export type FinishedMatch = {
  round: number;
  a: number;
  b: number;
  scoreA: number;
  scoreB: number;
  winner: 'a' | 'b' | 'tie' | 'void';
};

export type FinishedRun = {
  id: string;
  tenant: string;
  /** Id of the gateway key that asked. */
  key: string;
  requestId: string;
  mode: VerificationMode;
  request: ChatCompletionRequest;
  block: VerificationBlock;
  /** Of the run: `valid` when `chosen` may be given out. */
  outcome: Outcome;
  /** Index of the winner; null without one. */
  chosen: number | null;
  candidates: readonly FinishedCandidate[];
  /** null when fewer than two took part. */
  tournament: {
    method: TournamentMethod;
    judge: string;
    judgeKind: string;
    promptSha256: string | null;
    /** Indices of candidates, best first. */
    order: readonly number[];
    matches: readonly FinishedMatch[];
    legs: readonly FinishedLeg[];
  } | null;
  /** Of draws; sampling seeds come from the id. */
  seed: number;
  suiteSha256: string | null;
  warnings: readonly string[];
  /** Unix ms. */
  createdAt: number;
  finishedAt: number;
  /** The tenant is in `arena.capture`: texts of this run may be stored. */
  keepsTexts: boolean;
};

/** What a certificate says of the run (RP5); null when none is given. */
export type Certified = {
  certificateId: string;
  /** Without LABMESH_. */
  properties: readonly string[];
  isolation: SandboxLevel | null;
};
