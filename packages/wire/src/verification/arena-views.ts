/** What the arena shows of its runs, verifiers, suites and ratings (verification AR15, AR20-AR23). camelCase like its API. */
import { z } from 'zod';
import { toolUseSchema } from './tools/tool-use.ts';
import { outcomeField, verdictSchema } from './verdict.ts';
import { verificationReportSchema } from './verification-block.ts';

export const trajectoryStatuses = ['verified', 'pending', 'failed', 'inconclusive'] as const;
export type TrajectoryStatus = (typeof trajectoryStatuses)[number];

export const trajectoryLineSchema = z.object({
  id: z.string(),
  status: z.enum(trajectoryStatuses),
  mode: z.string(),
  model: z.string(),
  createdAt: z.string(),
  /** What verifiers say of the answer that was chosen, 0-1. */
  score: z.number().nullable(),
  certificateId: z.string().nullable(),
  /** null when its texts are gone. */
  messageCount: z.int().nullable(),
  failureReason: z.string().optional(),
});
export type TrajectoryLine = z.infer<typeof trajectoryLineSchema>;

const page = { limit: z.int(), offset: z.int() };
export const trajectoryPageSchema = z.object({
  trajectories: z.array(trajectoryLineSchema),
  total: z.int(),
  ...page,
});

export const candidateViewSchema = z.object({
  idx: z.int(),
  /** 0 = the answer, others are corrections of it. */
  attempt: z.int(),
  state: z.string(),
  sameAs: z.int().nullable(),
  sampling: z.record(z.string(), z.unknown()),
  digest: z.string().nullable(),
  /** null when its texts are gone. */
  answer: z.string().nullable(),
  model: z.string().nullable(),
  finishReason: z.string().nullable(),
  tokensIn: z.int(),
  /** Of these, those that the engine had from an earlier prompt; null = it does not say. */
  tokensCached: z.int().nullish(),
  tokensOut: z.int(),
  /** By `arena.prices`. */
  costUsd: z.number().optional(),
  latencyMs: z.number().nullable(),
  outcome: outcomeField.nullable(),
  scoreModifier: z.number().nullable(),
  reason: z.string().nullable(),
  verdicts: z.array(verdictSchema),
  /** Calls of tools that it made on its way, in their order. */
  toolCalls: z.array(toolUseSchema).nullish(),
});

export const legViewSchema = z.object({
  round: z.int(),
  a: z.int(),
  b: z.int(),
  leg: z.enum(['ab', 'ba']),
  judge: z.string(),
  /** null = void. */
  scoreA: z.number().nullable(),
  scoreB: z.number().nullable(),
});

export const trajectorySchema = trajectoryLineSchema.extend({
  state: z.string(),
  outcome: outcomeField.nullable(),
  chosen: z.int().nullable(),
  report: verificationReportSchema.nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  plan: z.record(z.string(), z.unknown()).nullable(),
  seed: z.int(),
  tokens: z.object({ input: z.int(), output: z.int() }),
  costUsd: z.number(),
  finishedAt: z.string().nullable(),
  candidates: z.array(candidateViewSchema),
  legs: z.array(legViewSchema),
});
export type Trajectory = z.infer<typeof trajectorySchema>;

/** P5: what comes out of the recorded rows a second time. */
export const replaySchema = z.object({
  runId: z.string(),
  same: z.boolean(),
  checked: z.object({ verdicts: z.int(), outcomes: z.int(), seeds: z.int(), matches: z.int() }),
  /** What came out otherwise, in words. */
  differences: z.array(z.string()),
});
export type Replay = z.infer<typeof replaySchema>;

export const leaderboardSchema = z.object({
  bracket: z.string(),
  task: z.string(),
  /** Matches and votes, counted and not weighed. */
  battles: z.int(),
  /** Of these, votes of people (AR17). */
  votes: z.int().default(0),
  /** What one of them weighs beside a match. */
  voteWeight: z.number().default(0),
  /** Battles that a leaderboard needs (AR17); with fewer, `rows` is empty. */
  battlesNeeded: z.int(),
  /** Of the intervals: the same counts and seed give the same ones. */
  seed: z.int().optional(),
  resamples: z.int().optional(),
  /** Fewest battles found whose removal gives the first place to `overtaker`; null = none. */
  leverage: z
    .object({ battles: z.int().nullable(), of: z.int(), overtaker: z.string().nullable() })
    .nullable()
    .optional(),
  /**
   * Of a board at equal style (AR15), which is over the battles whose style is known: `of` are all there are.
   * Logits per standard deviation of the difference, by name; null without a fit.
   */
  style: z.object({ of: z.int(), coefficients: z.record(z.string(), z.number()).nullable() }).optional(),
  rows: z.array(
    z.object({
      rank: z.int(),
      player: z.string(),
      /** 1000 + 400·log10. */
      rating: z.number(),
      lower: z.number(),
      upper: z.number(),
      battles: z.int(),
      votes: z.int().default(0),
    }),
  ),
});
export type Leaderboard = z.infer<typeof leaderboardSchema>;

export const verifierListSchema = z.object({
  verifiers: z.array(
    z.object({
      name: z.string(),
      description: z.string(),
      version: z.string(),
      digest: z.string(),
      class: z.int(),
      /** The class in a word: text, parse, tool, execution. */
      type: z.string().optional(),
      /** `in-process`, or the sandbox that it would run in now; null = there is none. */
      engine: z.string().nullish(),
      /** Interpreters in that sandbox, with versions. */
      tools: z.record(z.string(), z.string()).optional(),
      minLevel: z.string().nullable(),
      hard: z.boolean(),
      enabled: z.boolean(),
      status: z.enum(['online', 'degraded', 'offline']),
      reason: z.string().nullable(),
      lastCheck: z.string().nullable(),
      checks: z.int(),
      cached: z.int(),
      cacheHitRate: z.number().nullish(),
      p50Ms: z.number().nullable(),
      p95Ms: z.number().nullable(),
    }),
  ),
});

export const suiteSummarySchema = z.object({
  id: z.string(),
  sha256: z.string(),
  language: z.string(),
  cases: z.int(),
  createdBy: z.string(),
  /** Unix ms. */
  createdAt: z.number(),
});
export const suiteListSchema = z.object({ suites: z.array(suiteSummarySchema) });

export const certificatePageSchema = z.object({
  certificates: z.array(
    z.object({
      certificateId: z.string(),
      runId: z.string(),
      issuedAt: z.string(),
      expiresAt: z.string().nullable(),
      logIndex: z.int().nullable(),
      revokedReason: z.string().nullable(),
    }),
  ),
  ...page,
});
