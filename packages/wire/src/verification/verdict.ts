/** What a verifier says of a candidate, and what all of them say together (verification V1-V4). */
import { z } from 'zod';
import { sandboxLevelField } from './sandbox.ts';

/** passed = checked and held; failed = checked, the candidate's fault; skipped = nothing to check; error = could not check. */
export const verdictStatuses = ['passed', 'failed', 'skipped', 'error'] as const;

export const verdictSchema = z.object({
  status: z.enum(verdictStatuses),
  pluginName: z.string(),
  version: z.string(),
  /** SHA-256 (hex) over name, version and configuration of the verifier. */
  digest: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()),
  /** 0-1; 0 for failed, 1 for skipped, ignored for error. */
  scoreModifier: z.number().min(0).max(1),
  hard: z.boolean(),
  /** The isolation level that was used; null when nothing ran. */
  level: sandboxLevelField.nullable(),
  durationMs: z.number().min(0),
  /** Hex, of what was seen: outputs, exits; null when there is no evidence beyond the message. */
  evidenceSha256: z.string().nullable(),
  /** Named reason, such as LEVEL_UNAVAILABLE, TOOL_MISSING, SCHEMA_TIMEOUT. */
  code: z.string().nullable(),
  /** Properties that this pass grants in a certificate, without LABMESH_ (CT2), such as SYNTAX_OK. */
  grants: z.array(z.string()).optional(),
});
export type Verdict = z.infer<typeof verdictSchema>;

export const outcomes = ['valid', 'invalid', 'inconclusive', 'unchecked'] as const;
export const outcomeField = z.enum(outcomes);
export type Outcome = z.infer<typeof outcomeField>;

export const aggregateSchema = z.object({
  results: z.array(verdictSchema),
  allPassed: z.boolean(),
  anyHardFailure: z.boolean(),
  combinedScoreModifier: z.number().min(0).max(1),
  failureMessages: z.array(z.string()),
  outcome: outcomeField,
});
export type Aggregate = z.infer<typeof aggregateSchema>;
