/** Answers of the gateway's `/admin` routes: the only place that shows endpoint addresses. JSON names are camelCase. */
import { z } from 'zod';
import { scopes } from './operations.ts';
import { priorityField } from './verification/priority.ts';
import { verificationLimits, verificationModeField } from './verification/verification-block.ts';

const count = z.number().int().min(0);
const time = z.iso.datetime();

export const gatewayStatusSchema = z.object({
  version: z.string(),
  state: z.enum(['running', 'draining']),
  uptimeS: z.number().min(0),
  /** Where clients point their base URL, such as `http://127.0.0.1:8080/v1`. */
  api: z.string(),
  inFlight: count,
  queued: count,
  connections: count,
  endpoints: z.object({ total: count, healthy: count }),
  /** Models that can be served now. */
  models: count,
  /** Absent from gateways that cannot verify. */
  verification: z
    .object({
      /** Of answers that no request, key or alias has a mode for. */
      mode: verificationModeField,
      /** Verified answers that would be given again. */
      cached: count,
    })
    .optional(),
});
export type GatewayStatus = z.infer<typeof gatewayStatusSchema>;

export const endpointRowSchema = z.object({
  name: z.string(),
  kind: z.string(),
  version: z.string().optional(),
  url: z.string(),
  origin: z.enum(['config', 'discovered', 'builtin']),
  state: z.enum(['unknown', 'healthy', 'busy', 'warming', 'rate_limited', 'unhealthy', 'config_error', 'draining']),
  /** Why the state is what it is. */
  reason: z.string().optional(),
  models: z.array(z.string()),
  inFlight: count,
  capacity: count,
  /** True = never passed; false = only scales the load. */
  capacityHard: z.boolean(),
  /** What choice sorts by: 0 = idle, 1 = at capacity. */
  load: z.number(),
  /** The engine's own queue, where it tells. */
  waiting: count.optional(),
  checkedAgoMs: z.number().min(0).optional(),
});
export const endpointListSchema = z.object({ endpoints: z.array(endpointRowSchema) });
export type EndpointRow = z.infer<typeof endpointRowSchema>;

export const servedModelSchema = z.object({
  id: z.string(),
  alias: z.boolean(),
  /** The model id an alias stands for. */
  target: z.string().optional(),
  /** Names of the endpoints that can serve it now. */
  endpoints: z.array(z.string()),
  loaded: z.boolean().optional(),
  contextLength: count.optional(),
});
export const servedModelListSchema = z.object({ models: z.array(servedModelSchema) });
export type ServedModel = z.infer<typeof servedModelSchema>;

export const keyRowSchema = z.object({
  /** The 12 characters inside the key; no secret. */
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  tenant: z.string(),
  /** How answers to this key are verified; absent = the gateway's own mode. */
  verification: verificationModeField.optional(),
  /** Most variations it may ask for; absent = as many as the arena gives everybody. */
  variations: count.optional(),
  createdAt: time,
  lastUsedAt: time.optional(),
  revokedAt: time.optional(),
  requests: count,
  promptTokens: count,
  completionTokens: count,
});
export const keyListSchema = z.object({ keys: z.array(keyRowSchema) });
export type KeyRow = z.infer<typeof keyRowSchema>;

/** Who pays and whose data it is; results and certificates of one tenant are never shown to another. */
export const tenantField = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'expected a-z, 0-9, dots, dashes, underscores inside, at most 64');

const variationsField = z.int().min(1).max(verificationLimits.variationsMost);

export const createKeyRequestSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^\P{Cc}*$/u, 'expected no control characters'),
  /** Absent = every scope that is not `admin:*` or `priority:*`. */
  scopes: z.array(z.enum(scopes)).max(scopes.length).optional(),
  /** Absent = `default`. */
  tenant: tenantField.optional(),
  verification: verificationModeField.optional(),
  /** The highest class that its runs may ask for, as its scope `priority:<class>`. Absent = normal, without a scope for it. */
  priority: priorityField.optional(),
  /** Most variations that a run of it may have. Absent = as many as the arena gives everybody. */
  variations: variationsField.optional(),
});
export type CreateKeyRequest = z.infer<typeof createKeyRequestSchema>;

/**
 * What of a key may change; absent = stays, null = as for everybody. Its tenant and scopes are its own for good: the tenant
 * is whose results it sees.
 */
export const editKeyRequestSchema = z
  .strictObject({
    verification: verificationModeField.nullable().optional(),
    /** In place of the class that it was given before; normal is what everybody has. */
    priority: priorityField.optional(),
    variations: variationsField.nullable().optional(),
  })
  .refine((given) => Object.values(given).some((value) => value !== undefined), 'nothing to change is named');

/** `key` is shown this once. */
export const createdKeySchema = z.object({ id: z.string(), name: z.string(), key: z.string() });
export type CreatedKey = z.infer<typeof createdKeySchema>;

export const usageGroups = ['key', 'model', 'endpoint', 'tenant'] as const;
export const usageRowSchema = z.object({
  by: z.enum(usageGroups),
  id: z.string(),
  requests: count,
  promptTokens: count,
  completionTokens: count,
  cachedTokens: count,
  errors: count,
  /** Requests whose tokens were counted by us because the engine did not say. */
  estimated: count,
});
export const usageListSchema = z.object({ usage: z.array(usageRowSchema) });
export type UsageRow = z.infer<typeof usageRowSchema>;

/** The answer to `drain-gateway`: how long running requests may take. */
export const drainStartedSchema = z.object({
  state: z.literal('draining'),
  inFlight: count,
  graceS: z.number().min(0),
});
export type DrainStarted = z.infer<typeof drainStartedSchema>;

/** The answer to `set-verification-mode`. */
export const verificationModeSetSchema = z.object({ mode: verificationModeField, before: verificationModeField });
export type VerificationModeSet = z.infer<typeof verificationModeSetSchema>;

/** The answer to `clear-cache` and `delete-cache`: answers that were forgotten. */
export const cacheClearedSchema = z.object({ cleared: count });
