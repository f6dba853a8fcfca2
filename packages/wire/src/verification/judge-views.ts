/**
 * What the arena shows of its judges (verification AR13, AR14, AR17): how they do in matches, against answers that talk to
 * them, and with other instructions.
 */
import { z } from 'zod';

export const judgeCheckStates = ['running', 'fit', 'unfit', 'unknown', 'failed'] as const;

export const judgeCheckSchema = z.object({
  model: z.string(),
  /** `unknown`: it cannot tell right from wrong well enough to say; `failed`: it came to no end, see `reason`. */
  state: z.enum(judgeCheckStates),
  /** Calls that were paid so far. */
  calls: z.int(),
  /** Cases whose right answer won plainly: only of them something is learned. */
  decided: z.int(),
  cases: z.int(),
  /** Flips of `decided`; null when none was. */
  rate: z.number().nullable(),
  /** Names of attacks that turned it. */
  flipped: z.array(z.string()),
  /** Attacks that left it without a verdict. */
  voided: z.int(),
  reason: z.string().nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
});
export type JudgeCheckView = z.infer<typeof judgeCheckSchema>;

/** Bounds of a tuning, and what is taken when nothing is said (AR17). */
export const tuningLimits = {
  candidatesMost: 50,
  trialsMost: 200,
  /** Gold pairs that a tuning needs, and takes. */
  goldLeast: 30,
  goldMost: 120,
  /** Comparisons of one trial, two calls each. */
  trialComparisons: 8,
} as const;

const modelField = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'is not the name of a model');
export const tuneJudgeSchema = z
  .strictObject({
    model: modelField,
    /** Instructions that are tried, the present ones among them. */
    candidates: z.int().min(2).max(tuningLimits.candidatesMost).default(10),
    trials: z.int().min(2).max(tuningLimits.trialsMost).default(30),
    seed: z.int().min(0).default(42),
  })
  .refine(({ candidates, trials }) => trials >= candidates, { path: ['trials'], message: 'are fewer than candidates' });
export type TuneJudge = z.infer<typeof tuneJudgeSchema>;

export const approveJudgeSchema = z.strictObject({
  model: modelField,
  /** Hex SHA-256 of what the newest tuning found; `usual` takes an approval back. */
  prompt: z.string().regex(/^(?:usual|[0-9a-f]{64})$/, 'is no SHA-256 and not `usual`'),
});
export type ApproveJudge = z.infer<typeof approveJudgeSchema>;

/** Mean over comparisons with its 95 % interval. */
const meanSchema = z.object({ mean: z.number(), low: z.number(), high: z.number() });
const triedSchema = z.object({
  /** Hex SHA-256 of all that the judge is told, without the material. */
  prompt: z.string(),
  instructions: z.string(),
  /** 0.5 + 0.5 · confidence where the judge agrees with people, else 0. `train`: what the choice was made by. */
  train: meanSchema,
  heldOut: meanSchema,
});

export const judgeTuningSchema = z.object({
  model: z.string(),
  /** `none`: no candidate did better than the present instructions where they are chosen. */
  state: z.enum(['running', 'found', 'none', 'failed']),
  candidates: z.int(),
  trials: z.int(),
  seed: z.int(),
  /** Calls that were paid so far. */
  calls: z.int(),
  /** Gold comparisons of either part; no task is in both. */
  train: z.int(),
  heldOut: z.int(),
  /** null until the end. */
  present: triedSchema.nullable(),
  /** null when there is none. */
  best: triedSchema.nullable(),
  /** Best less present on the held-out part, comparison by comparison; null without a best. */
  difference: meanSchema.nullable(),
  reason: z.string().nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
});
export type JudgeTuningView = z.infer<typeof judgeTuningSchema>;

export const approvedJudgeSchema = z.object({
  model: z.string(),
  prompt: z.string(),
  instructions: z.string(),
  /** Id of the key. */
  approvedBy: z.string(),
  approvedAt: z.string(),
});
export type ApprovedJudge = z.infer<typeof approvedJudgeSchema>;
/** null after `usual`. */
export const judgeApprovedSchema = z.object({ approved: approvedJudgeSchema.nullable() });

export const judgesSchema = z.object({
  judges: z.array(
    z.object({
      judge: z.string(),
      /** Calls in matches of the tenant, newest first up to a bound; `voided` of them gave no verdict. */
      calls: z.int(),
      voided: z.int(),
      /** How often what it saw first won, with its 95 % interval; `biased` outside of 0.45-0.55 and not by chance. */
      position: z.object({
        rate: z.number().nullable(),
        low: z.number(),
        high: z.number(),
        decided: z.int(),
        state: z.enum(['unknown', 'fair', 'unclear', 'biased']),
      }),
    }),
  ),
  checks: z.array(judgeCheckSchema),
  /** The newest of each model. */
  tunings: z.array(judgeTuningSchema),
  /** What models are told that are not told the usual. */
  approved: z.array(approvedJudgeSchema),
});
export type JudgesView = z.infer<typeof judgesSchema>;
