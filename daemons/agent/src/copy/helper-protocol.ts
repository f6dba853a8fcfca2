/**
 * How the agent and its copy helper talk: the helper's stdin begins with OPEN (u32 length, JSON), then stream `in`; its
 * stdout is stream `out`; its stderr is lines of JSON, first what came of the preparation, last how it ended.
 */
import { closeCodes, type CloseReason } from '@labmesh/wire/frame/frame-types';
import { exitSchema } from '@labmesh/wire/frame/messages';
import { z } from 'zod';

const reasons = Object.keys(closeCodes) as [CloseReason, ...CloseReason[]];
const endSchema = z.object({
  reason: z.enum(reasons),
  text: z.string().max(1024),
  copied: exitSchema.unwrap().shape.copied,
});

export const helperLineSchema = z.union([
  z.object({ ready: z.object({ offset: z.int().min(0).optional() }) }),
  z.object({ end: endSchema }),
  z.object({ warn: z.string().max(16 * 1024) }),
]);
export type HelperLine = z.infer<typeof helperLineSchema>;

export const helperName = 'copy-helper';
/** Longest line, and longest OPEN. */
export const helperTextMax = 64 * 1024;
