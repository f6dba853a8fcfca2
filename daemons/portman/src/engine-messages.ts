/**
 * What parent and child of the built-in engine say to each other. Parent → child: one JSON line on stdin, which then
 * stays open: its end means that the parent is gone. Child → parent: JSON lines on stdout. The API key travels by stdin
 * because anyone on the machine can read arguments.
 */
import { z } from 'zod';

export const engineParametersSchema = z.object({
  modelPath: z.string().min(1),
  modelId: z.string().min(1),
  alias: z.array(z.string().min(1)).default([]),
  host: z.literal('127.0.0.1').default('127.0.0.1'),
  /** 0 = any free port. */
  port: z.number().int().min(0).max(65_535).default(0),
  apiKey: z.string().min(16),
  /** One thread unless told otherwise: more than the machine has free makes llama.cpp's spinning threads crawl. */
  threads: z.number().int().min(1).max(256).default(1),
  /** Tokens; undefined = what the model was trained on, at most `engineLimits.contextDefaultMax`. */
  contextSize: z.number().int().min(2).max(1_048_576).optional(),
  /** Requests that run at once; each costs a context of memory. */
  parallel: z.number().int().min(1).max(16).default(1),
  /** Requests that wait for a slot; one more is refused with 429. */
  queueMax: z.number().int().min(0).max(1024).default(8),
});
export type EngineParameters = z.infer<typeof engineParametersSchema>;

export const engineMessageSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('listening'), port: z.number().int() }),
  z.object({ event: z.literal('loading'), progress: z.number() }),
  z.object({
    event: z.literal('ready'),
    ready: z.literal(true),
    port: z.number().int(),
    contextLength: z.number().int(),
  }),
  z.object({ event: z.literal('failed'), message: z.string() }),
]);
export type EngineMessage = z.infer<typeof engineMessageSchema>;

export const engineLimits = {
  /** Context of a model that could hold more, when nobody asked for more: memory grows with it. */
  contextDefaultMax: 8192,
  bodyBytesMax: 4 * 1024 * 1024,
  messagesMax: 4096,
  stopStringsMax: 16,
  stopCharsMax: 1024,
  embeddingInputsMax: 256,
  parametersBytesMax: 64 * 1024,
};
