/** Tools that the candidates of a run may call: those of the operator's tool servers, which speak MCP (verification AR18). */
import { z } from 'zod';

/** Entries of `verification.tools`. */
const selectorsMost = 32;

/** `server/tool`, or `server/*` for all of a server that may be called. */
const toolSelectorField = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}\/(?:\*|[A-Za-z0-9_./-]{1,128})$/, 'is SERVER/TOOL or SERVER/*');
export const toolSelectorsField = z.array(toolSelectorField).min(1).max(selectorsMost);

/**
 * ok, error: what the tool said of itself. blocked, unknown, bad_arguments, over_limit: nobody was asked. unavailable: its
 * server, the check of its arguments or a free place could not be had.
 */
export const toolUseStates = [
  'ok',
  'error',
  'blocked',
  'unknown',
  'bad_arguments',
  'over_limit',
  'unavailable',
] as const;

/** One call as it is told and kept: never its arguments or its result. */
export const toolUseSchema = z.object({
  /** From 0: answers of the model that called something, before this one. */
  round: z.int().min(0),
  /** `server/tool`; null for a name that no server has. */
  tool: z.string().nullable(),
  /**
   * Hex HMAC-SHA-256 of the run and the arguments' canonical JSON, by a key that the arena forgets when it stops: equal calls
   * of a run have equal ones. null when they are no JSON object.
   */
  argsSha256: z.string().nullable(),
  state: z.enum(toolUseStates),
  /** The result of an equal call of this tenant was at hand. */
  cached: z.boolean(),
  latencyMs: z.number().min(0),
});
export type ToolUse = z.infer<typeof toolUseSchema>;

/** GET /api/arena/tools: what the tenant of the key may have called. How often all tenants do is for /metrics. */
export const toolServerListSchema = z.object({
  servers: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['online', 'offline']),
      reason: z.string().nullable(),
      /** RFC 3339; null = not asked yet. */
      lastCheck: z.string().nullable(),
      tools: z.array(
        z.object({
          name: z.string(),
          /** The function that a model sees. */
          offeredAs: z.string(),
          description: z.string(),
          /** Why it is never called; null = it may be. */
          blocked: z.string().nullable(),
        }),
      ),
    }),
  ),
});
export type ToolServerList = z.infer<typeof toolServerListSchema>;
