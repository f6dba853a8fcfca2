/** Who compares two answers (AR12). */
import type { Aggregate } from '@labmesh/wire/verification/verdict';
import type { Candidate } from './candidate.ts';

export type Judged = { candidate: Candidate; aggregate: Aggregate; score: number; model: string };

/** Scores 0-10; null when the judge failed after its retries: the match is void. */
export type Comparison = { scoreA: number; scoreB: number; rationale: string | null; usd: number } | null;

export type Judge = {
  name: string;
  kind: 'deterministic' | 'llm' | 'local' | 'human' | 'panel' | 'composite';
  /** Hex SHA-256 of the instructions; null without any. */
  promptSha256: string | null;
  /** One order; the caller asks both and sums. */
  compare: (a: Judged, b: Judged, signal: AbortSignal) => Promise<Comparison>;
};
