/** Preference data (verification PD1, PD2): a triplet as it is stored and exported. snake_case like its files. */
import { z } from 'zod';
import { chatMessageSchema } from '../openai.ts';

export const tripletQualities = ['gold', 'silver', 'bronze'] as const;
export const tripletSources = ['verification', 'tournament', 'human', 'hybrid', 'self_correction'] as const;
export const tripletStatuses = ['active', 'archived', 'deleted'] as const;

/**
 * How far a pair came (PD6): `pending` is in no version, `processed` in one that was frozen, `exported` in one that was
 * exported; the others are what a training run said of a version with it.
 */
export const tripletStages = ['pending', 'processed', 'exported', 'training', 'completed', 'failed'] as const;
export type TripletStage = (typeof tripletStages)[number];

export const tripletSchema = z.object({
  /**
   * Hex SHA-256 over tenant, input, chosen and rejected, and for what people said (human, hybrid) that they did: making it
   * again gives the same.
   */
  id: z.string(),
  input: z.array(chatMessageSchema).min(1),
  chosen: z.array(chatMessageSchema).min(1),
  rejected: z.array(chatMessageSchema).min(1),
  confidence: z.number().min(0).max(1),
  quality: z.enum(tripletQualities),
  rationale: z.string().nullable(),
  failure_reasons: z.array(z.string()),
  chosen_score: z.number(),
  rejected_score: z.number(),
  source: z.enum(tripletSources),
  status: z.enum(tripletStatuses),
  tenant: z.string(),
  run_id: z.string(),
  certificate_id: z.string().nullable(),
  created_at: z.string(),
  metadata: z.record(z.string(), z.unknown()),
});
export type Triplet = z.infer<typeof tripletSchema>;

export const exportFormats = [
  'jsonl',
  'dpo',
  'hf',
  'hf_parquet',
  'hf_chat',
  'hf_chat_parquet',
  'openai',
  'openai_legacy',
  'slime',
  'llamafactory_alpaca',
  'llamafactory_sharegpt',
  'chains',
] as const;
export type ExportFormat = (typeof exportFormats)[number];
