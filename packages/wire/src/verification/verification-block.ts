/** The `verification` block of a request and of an answer (verification RP4, RP5; gateway G-30). snake_case like its API. */
import { z } from 'zod';
import { priorityField } from './priority.ts';
import { outcomeField } from './verdict.ts';
import { sandboxLevelField } from './sandbox.ts';
import { toolSelectorsField } from './tools/tool-use.ts';

export const verificationModes = ['passthrough', 'audit', 'shadow', 'intercept'] as const;
export const verificationModeField = z.enum(verificationModes);
export type VerificationMode = z.infer<typeof verificationModeField>;

export const brackets = ['none', 'opencoder'] as const;
export const strategies = [
  'temperature_sweep',
  'prompt_perturbation',
  'model_ensemble',
  'top_k_variation',
  'nucleus_variation',
  'combined',
] as const;
export const tournamentMethods = [
  'anchor',
  'round_robin',
  'swiss',
  'single_elimination',
  'double_elimination',
  'verified_anchor',
  'verification_weighted',
  'swiss_bt',
] as const;
export const methodChoices = ['auto', 'lightning', ...tournamentMethods] as const;
export type TournamentMethod = (typeof tournamentMethods)[number];

/** Upper limits; a key may have lower ones. */
export const verificationLimits = {
  variationsMost: 16,
  correctionMost: 3,
  waitMs: 120_000,
  answerChars: 100_000,
  suiteIdChars: 100,
  metadataBytes: 64 * 1024,
} as const;

const onFault = z.enum(['error', 'pass']).default('error');
export const verificationBlockSchema = z.strictObject({
  /** Absent: the key's mode, else the gateway's. */
  mode: verificationModeField.optional(),
  bracket: z.enum(brackets).default('none'),
  /** Names; absent: those that are switched on. */
  verifiers: z.array(z.string().max(64)).min(1).max(32).optional(),
  /** Id of a suite of the same tenant. */
  suite: z.string().max(verificationLimits.suiteIdChars).optional(),
  variations: z.int().min(1).max(verificationLimits.variationsMost).optional(),
  temperatures: z.array(z.number().min(0).max(2)).min(1).max(verificationLimits.variationsMost).optional(),
  strategy: z.enum(strategies).optional(),
  /** For `model_ensemble`: models to ask beside the request's. */
  models: z.array(z.string().max(256)).max(verificationLimits.variationsMost).optional(),
  method: z.enum(methodChoices).optional(),
  /** Share of requests that are looked at (audit, shadow). */
  sample: z.number().min(0).max(1).optional(),
  max_wait_ms: z.int().min(1).max(verificationLimits.waitMs).optional(),
  /** The original's word for max_wait_ms. */
  deadline_ms: z.int().min(1).max(verificationLimits.waitMs).optional(),
  max_cost_usd: z.number().min(0).optional(),
  budget: z
    .strictObject({
      tokens: z.int().min(1).optional(),
      usd: z.number().min(0).optional(),
      judge_calls: z.int().min(0).optional(),
    })
    .optional(),
  /** JSON Schema that JSON blocks of the answer must meet. */
  expected_schema: z.union([z.record(z.string(), z.json()), z.boolean()]).optional(),
  /** What verifiers may ask: language of untagged blocks, tools … */
  metadata: z.record(z.string(), z.json()).optional(),
  /** Tools of the arena's tool servers that candidates may call (AR18); absent = none. */
  tools: toolSelectorsField.optional(),
  /** Attempts; false = none. */
  correction: z.union([z.boolean(), z.int().min(0).max(verificationLimits.correctionMost)]).optional(),
  certificate: z.boolean().default(true),
  return_all: z.boolean().default(false),
  /** Held to what the key may ask for. */
  priority: priorityField.optional(),
  /** `best_effort`: the best answer is given, marked as not valid. Absent: what the gateway's `verification.on_invalid` says. */
  on_fail: z.enum(['error', 'best_effort']).optional(),
  on_timeout: onFault,
  on_unavailable: onFault,
});
export type VerificationBlock = z.infer<typeof verificationBlockSchema>;

export const verificationReportSchema = z.object({
  status: outcomeField,
  run_id: z.string(),
  certificate_id: z.string().nullable(),
  summary: z.string(),
  /** As the certificate says them, without LABMESH_; empty without one. */
  properties: z.array(z.string()),
  /** The lowest level that code ran at. */
  isolation: sandboxLevelField.nullable(),
  failures: z.array(z.object({ verifier: z.string(), message: z.string(), code: z.string().nullable() })),
  cached: z.boolean(),
  /** With return_all. */
  candidates: z
    .array(
      z.object({ index: z.int(), content: z.string(), outcome: outcomeField, score: z.number(), reward: z.number() }),
    )
    .optional(),
});
export type VerificationReport = z.infer<typeof verificationReportSchema>;

/** The original's body block (RP5). */
export const shadowArenaSchema = z.object({
  success: z.boolean(),
  best_response: z.string().nullable(),
  best_score: z.number(),
  valid_count: z.int(),
  total_variations: z.int(),
  metadata: z.record(z.string(), z.unknown()),
});
