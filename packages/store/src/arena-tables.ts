/** The tables of the verification plane. Texts of prompts and answers stand in `offer`, `answer` and `triplet` only (P7). */
import type { Generated } from 'kysely';
import type { Json, Ms, Row } from './table-fields.ts';

export type ArenaRunsTable = Row & {
  tenant: string;
  key_id: string;
  request_id: string;
  mode: string;
  /** `queued`, `generating`, `verifying`, `judging`, `certifying`, `done`, `failed`. */
  state: string;
  /** 1-4: low, normal, high, critical. */
  priority: number;
  model: string;
  /** RunOffer; emptied at the end unless the tenant keeps texts. */
  offer: Json | null;
  /** Draws and sampling seeds come from it. */
  seed: number;
  /** What was decided at the start: variations, method, judge, verifiers with digests. */
  plan: Json | null;
  outcome: string | null;
  /** Index of the candidate that won. */
  chosen: number | null;
  certificate_id: string | null;
  /** VerificationReport, with ranking. */
  report: Json | null;
  error: Json | null;
  tokens_in: number;
  tokens_out: number;
  /** 1e-9 USD. */
  cost_nano: number;
  deadline_at: Ms;
  finished_at: Ms | null;
  lease_owner: string | null;
  lease_until: Ms | null;
  /** What became of its pairs: null = not looked at since it ended, `processed`, `failed`. */
  pairs_state: string | null;
};
/** One a variation and attempt: attempt 0 is the answer, others are corrections of it. */
export type ArenaCandidatesTable = Row & {
  run_id: string;
  idx: number;
  attempt: number;
  state: string;
  /** Index of an earlier candidate with the same answer. */
  same_as: number | null;
  /** temperature, top_p, top_k, seed, model, suffix. */
  sampling: Json;
  digest: string | null;
  /** ChatMessage; emptied at the end unless the tenant keeps texts. */
  answer: Json | null;
  model: string | null;
  finish_reason: string | null;
  tokens_in: number;
  /** Of these, those that the engine had kept; null = it does not say. */
  tokens_cached: number | null;
  tokens_out: number;
  cost_nano: number;
  latency_ms: number | null;
  outcome: string | null;
  aggregate: Json | null;
  /** Why it was stopped or failed. */
  reason: string | null;
  /** Calls of tools, without their arguments and results. */
  tool_calls: Json | null;
  /** The turns with tools so far, whole; emptied at the end unless the tenant keeps texts. */
  rollout: Json | null;
};
export type ArenaVerdictsTable = Row & { run_id: string; idx: number; attempt: number; plugin: string; verdict: Json };
/** One a judge's call: `leg` is `ab` or `ba`; scores of `result` are null when it was void. */
export type ArenaMatchesTable = Row & {
  run_id: string;
  /** As the tournament numbers them: brackets may play a pair twice, in two rounds. */
  round: number;
  a: number;
  b: number;
  leg: string;
  judge: string;
  result: Json | null;
};
export type ArenaSuitesTable = Row & {
  tenant: string;
  name: string;
  sha256: string;
  language: string;
  cases: number;
  /** The whole suite under the key of the arena's folder. */
  sealed: string;
  created_by: string;
};
export type ArenaCertificatesTable = Row & {
  tenant: string;
  run_id: string;
  bundle: Json;
  sha256: string;
  log_index: number | null;
  expires_at: Ms | null;
  revoked_at: Ms | null;
  revoked_reason: string | null;
};
/** Sums for ratings: `player_a` < `player_b`. */
export type ArenaBattlesTable = Row & {
  tenant: string;
  bracket: string;
  task: string;
  player_a: string;
  player_b: string;
  wins_a: number;
  wins_b: number;
  ties: number;
};
/** One match with the style of its answers, which sums do not hold. */
export type ArenaStyledBattlesTable = Row & {
  tenant: string;
  bracket: string;
  task: string;
  player_a: string;
  player_b: string;
  /** `a`, `b` or `tie`. */
  winner: string;
  /** Counts of the answer of a, and of that of b. */
  style: Json;
};
/** Whether an engine honours seeds. */
export type ArenaEnginesTable = Row & {
  /** Digest over endpoint, kind, version and model. */
  engine: string;
  /** `true`, `false` or `null` (looked at, and nothing to be seen). */
  replayable: Json;
};
export type ArenaTripletsTable = Row & {
  tenant: string;
  run_id: string;
  certificate_id: string | null;
  quality: string;
  source: string;
  status: string;
  /** Confidence in millionths. */
  confidence_ppm: number;
  triplet: Json;
  /** How far it came: `pending`, `processed`, `exported`, `training`, `completed`, `failed`. */
  stage: Generated<string>;
};
export type ArenaDatasetsTable = Row & {
  tenant: string;
  name: string;
  number: number;
  sha256: string;
  count: number;
  filters: Json;
  author: string;
  /** `frozen` or `tainted`. */
  state: string;
  log_index: number | null;
  /** As of its pairs, from `processed` on. */
  stage: Generated<string>;
};
/** Versions that were proposed because enough pairs were waiting. */
export type ArenaBatchesTable = Row & {
  tenant: string;
  /** `proposed`, `approved`, `frozen`, `rejected`, `failed`. */
  state: string;
  /** That were waiting when it was proposed. */
  pairs: number;
  name: string;
  dataset_id: string | null;
  /** Code of why no version could be made. */
  fault: string | null;
  decided_by: string | null;
  decided_at: Ms | null;
};
/** What a person thinks of two answers of a run, `a` < `b`: one word a reviewer. */
export type ArenaLabelsTable = Row & {
  tenant: string;
  run_id: string;
  a: number;
  b: number;
  /** Id of the key. */
  reviewer: string;
  /** `a`, `b` or `tie`. */
  winner: string;
  /** Confidence in millionths. */
  confidence_ppm: number;
  /** Rationales and notes. */
  words: Json;
  /** Its leaderboard, and the models of `a` and `b`; null = not looked at yet, empty = on no board. */
  bracket: string | null;
  task: string | null;
  player_a: string | null;
  player_b: string | null;
  /** Of both answers; null = not known. */
  style: Json | null;
};
/** A model as judge of a tenant: what its newest tuning found, and what it is told since a person approved of it. */
export type ArenaJudgesTable = Row & {
  tenant: string;
  model: string;
  /** As the API shows it. */
  tuning: Json | null;
  /** null = the usual ones. */
  instructions: string | null;
  /** Id of the key. */
  approved_by: string | null;
  approved_at: Ms | null;
};
/** `part` is `train` or `test`. */
export type ArenaDatasetRowsTable = { dataset_id: string; triplet_id: string; part: string };
