/** Who compares two answers (AR12). */
import type { Aggregate } from '@labmesh/wire/verification/verdict';
import type { Candidate } from './candidate.ts';

export type Judged = {
  candidate: Candidate;
  aggregate: Aggregate;
  /** What verifiers say of it, 0-1. */
  score: number;
  /** As the engine names it. */
  model: string;
  /** The caller's, such as `idx`: passed through into `details` of a composite comparison (AR14). */
  metadata?: Readonly<Record<string, unknown>>;
};

/**
 * Scores 0-10, or -10 for what failed verification (AR14); null when the judge failed after its retries: the match is
 * void. `usd` is that of all calls behind it.
 */
export type Comparison = {
  scoreA: number;
  scoreB: number;
  rationale: string | null;
  usd: number;
  /** Of composite: `outcome`, `a`, `b`; of llm: `model` as the engine names it; of panel: what each member said. */
  details?: Readonly<Record<string, unknown>>;
} | null;

/** What one paid call cost, told as it ends: a void comparison has been paid too. */
export type JudgeSpent = { promptTokens: number; completionTokens: number; usd: number };

/** What a model is told when it judges, where that is not the usual. */
export type ModelInstructions = { model: string; text: string };

export type Judge = {
  name: string;
  kind: 'deterministic' | 'llm' | 'local' | 'human' | 'panel' | 'composite';
  /** Hex SHA-256 of the instructions; null without any. */
  promptSha256: string | null;
  /** Models that it asks; a judge of the candidates' own model is warned of. */
  models: readonly string[];
  /** Of its models those that answers talked over when it was tried (AR13); absent = none is known. */
  unfit?: readonly string[];
  /** Of those of its models that are not told the usual. */
  instructions?: readonly ModelInstructions[];
  /**
   * One order, `a` first; the caller asks both and sums.
   * @throws AbortError; ApiError `budget_exceeded`: neither is the judge's failure
   */
  compare: (a: Judged, b: Judged, signal: AbortSignal, onSpent?: (spent: JudgeSpent) => void) => Promise<Comparison>;
};
