/** Preference data at a glance (verification AR23, PD6): what `GET /api/arena/distillation` gives. Nothing is decided here. */
import { z } from 'zod';
import { batchSchema, batchStates, datasetSchema, datasetStages, tripletStatsSchema } from './datasets.ts';

const count = z.int().min(0);

export const distillationSchema = z.object({
  /** Active ones; `qualities.gold` is what people agreed on. */
  pairs: tripletStatsSchema,
  versions: z.object({
    total: count,
    /** Rows of them were deleted since: never exported again. */
    tainted: count,
    /** How far they came; without those that are tainted. */
    stages: z.record(z.enum(datasetStages), count),
    /** null without any. */
    newest: datasetSchema.nullable(),
  }),
  batches: z.object({
    states: z.record(z.enum(batchStates), count),
    /** The one that waits for a person; null when none does. */
    open: batchSchema.nullable(),
  }),
  labels: z.object({ total: count, reviewers: count }),
  updatedAt: z.string(),
});
export type Distillation = z.infer<typeof distillationSchema>;
