/** What people say of two answers of a run (verification PD2, EX1, EX2): `/api/arena/labels`. */
import { z } from 'zod';

export const labelLimits = {
  /** Reviewers of one comparison. */
  reviewersMost: 100,
  rationalesMost: 16,
  textCharsMost: 2_000,
} as const;

/** Share of the votes, weighed by confidence, from which people agree. */
export const consensusLeast = 0.7;

export const failureCategories = [
  'syntax_error',
  'security_violation',
  'policy_breach',
  'logic_error',
  'resource_violation',
  'output_malformed',
  'tool_misuse',
  'credential_leak',
  'performance_issue',
  'compliance_failure',
] as const;

export const labelWinners = ['a', 'b', 'tie'] as const;
/** PostgreSQL takes no NUL, canonical JSON no half of a character. */
const textField = z
  .string()
  .max(labelLimits.textCharsMost)
  .regex(/^(?:(?!\p{Cs})[^\0])*$/u, 'holds a character that cannot be kept');

const labelFields = {
  runId: z.string().regex(/^[\x21-\x7e]{1,128}$/),
  /** Indices of candidates. */
  a: z.int().min(0).max(1_000),
  b: z.int().min(0).max(1_000),
  winner: z.enum(labelWinners),
  /** How sure the reviewer is. */
  confidence: z.number().min(0).max(1),
  /** What is wrong with the answer that is not the winner. */
  rationales: z
    .array(
      z.strictObject({
        category: z.enum(failureCategories),
        description: textField,
        /** 10 = worst. */
        severity: z.int().min(1).max(10),
      }),
    )
    .max(labelLimits.rationalesMost)
    .default([]),
  notes: textField.nullable().default(null),
};

export const giveLabelSchema = z
  .strictObject(labelFields)
  .refine(({ a, b }) => a !== b, { path: ['b'], message: 'are two answers' });
export type GiveLabel = z.infer<typeof giveLabelSchema>;
/** As it is sent: what is left out takes its default where it arrives. */
export type GiveLabelInput = z.input<typeof giveLabelSchema>;

export const labelSchema = z.object({
  id: z.string(),
  ...labelFields,
  /** Id of the key that said so. */
  reviewer: z.string(),
  createdAt: z.string(),
});
export type Label = z.infer<typeof labelSchema>;
export const labelPageSchema = z.object({ labels: z.array(labelSchema), nextCursor: z.string().nullable() });

export const consensusSchema = z.object({
  runId: z.string(),
  /** The lower index. */
  a: z.int(),
  b: z.int(),
  labels: z.int(),
  /** What most of the weight is for; null without any weight, or when no side has more than the others. */
  winner: z.enum(labelWinners).nullable(),
  /** Its part of the weight, 0-1. */
  share: z.number(),
  /** The gold pair; null when people do not agree, or `leftOut` says why there is none. */
  pairId: z.string().nullable(),
  leftOut: z.string().nullable(),
});
export type Consensus = z.infer<typeof consensusSchema>;

export const labelGivenSchema = z.object({ label: labelSchema, consensus: consensusSchema });
export type LabelGiven = z.infer<typeof labelGivenSchema>;
