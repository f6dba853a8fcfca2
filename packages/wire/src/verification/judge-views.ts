/** What the arena shows of its judges (verification AR13, AR14): how they do in matches, and against answers that talk to them. */
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
});
export type JudgesView = z.infer<typeof judgesSchema>;
