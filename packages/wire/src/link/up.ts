/** Payloads that travel portman → labman → Conplane. Unknown fields are dropped on the way up. */
import { z } from 'zod';
import { nodeHeartbeatSchema } from '../node.ts';
import {
  amountField,
  countField,
  idField,
  modelIdField,
  nodeStateField,
  rolesField,
  slotsField,
  slugField,
  tenantField,
  textField,
  timestampField,
} from './fields.ts';

const listOf = <S extends z.ZodType>(schema: S, max: number) => z.array(schema).max(max);

/** Binds the connection to its agent. `hostname` and `base_url` stay in labman. */
const registerAgent = z.object({
  agent_version: textField,
  proto: listOf(countField, 8),
  /** Extensions this agent knows, such as the names of `x_…` kinds. */
  features: listOf(idField, 32),
  hostname: z.string().max(253).optional(),
  /** Where portman's inference listens; loopback only. */
  base_url: z.string().max(2_048).optional(),
  runtimes: listOf(z.object({ name: textField, version: textField }), 16),
  devices: listOf(z.object({ id: idField, backend: idField, name: textField, vram_mb: countField }), 64),
  models: listOf(
    z.object({ model_id: modelIdField, roles: rolesField, size_mb: countField.optional(), loaded: z.boolean() }),
    512,
  ),
});

const deviceLoad = z.object({
  id: idField,
  model_id: modelIdField.optional(),
  model_state: idField,
  vram_total_mb: countField,
  vram_used_mb: countField,
  vram_free_mb: countField,
  /** Absent = the device does not say; never 0 for unknown. */
  util_pct: z.number().min(0).max(100).optional(),
  temp_c: z.number().optional(),
  power_w: amountField.optional(),
  queue: countField,
  in_flight: countField,
});

/** An agent's heartbeat; the short form is the one labman makes when an agent is gone (W10). */
export const agentHeartbeatSchema = z.union([
  z.object({ state: z.literal('error'), synthetic: z.literal(true), reason: textField }),
  z.object({
    state: nodeStateField,
    uptime_s: countField,
    active: countField,
    queued: countField,
    devices: listOf(deviceLoad, 64),
    synthetic: z.boolean().optional(),
    reason: textField.optional(),
  }),
]);

const metricNumbers = z
  .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/), z.number())
  .refine((all) => Object.keys(all).length <= 256, 'expected at most 256 entries');

const metrics = z.object({ window_s: countField, gauges: metricNumbers, counters: metricNumbers });

/** A new list replaces the one before; slots 0, or an `until` that is past, withdraws an offer. */
const offerCapacity = z.object({
  offers: listOf(
    z.object({
      model_id: modelIdField,
      slots: slotsField,
      until: timestampField,
      cost_in: amountField.optional(),
      cost_out: amountField.optional(),
    }),
    256,
  ),
});

export const directivePhases = [
  'queued',
  'started',
  'loading',
  'draining',
  'ready',
  'done',
  'failed',
  'cancelled',
  'expired',
] as const;
/** Exactly one of these ends a directive. */
export const lastDirectivePhases = [
  'done',
  'failed',
  'cancelled',
  'expired',
] as const satisfies readonly (typeof directivePhases)[number][];

const directiveProgress = z.object({
  directive_id: idField,
  phase: z.enum(directivePhases),
  percent: z.number().min(0).max(100).optional(),
  code: idField.optional(),
  detail: textField.optional(),
});

const usage = z.object({
  request_id: idField,
  slug: slugField,
  tenant: tenantField,
  model_id: modelIdField,
  started_at: timestampField,
  ttft_ms: amountField.optional(),
  latency_ms: amountField,
  prompt_tokens: countField,
  completion_tokens: countField,
  cached_tokens: countField.optional(),
  status: z.enum(['ok', 'error', 'cancelled']),
  code: idField.optional(),
  streamed: z.boolean(),
  source: z.enum(['upstream', 'estimated', 'none']),
  /** The row is an hour's sum over (tenant, slug), made when the spool was full, of this many requests. */
  folded: z.boolean().optional(),
  requests: countField.optional(),
});
export type UsageReport = z.infer<typeof usage>;

const resourceProfile = z.object({
  model_id: modelIdField,
  device: idField.optional(),
  vram_mb: countField,
  ram_mb: countField.optional(),
  ctx_max: countField,
  load_ms_p50: amountField,
  load_ms_p95: amountField.optional(),
  prefill_tps: amountField.optional(),
  decode_tps: amountField.optional(),
  quant: idField.optional(),
  measured_at: timestampField,
});

const modelCapacity = z.object({
  model_id: modelIdField,
  /** Added by labman. */
  slug: slugField.optional(),
  slots_total: slotsField,
  slots_free: slotsField,
  queued: countField,
  loaded: z.boolean(),
  est_wait_ms: amountField.optional(),
});

export const upSchemas = {
  register_agent: registerAgent,
  /** With an agent_id an agent's, without one the node's: `payloadSchema` picks. */
  heartbeat: z.union([nodeHeartbeatSchema, agentHeartbeatSchema]),
  metrics,
  offer_capacity: offerCapacity,
  directive_progress: directiveProgress,
  usage_report: z.object({ reports: listOf(usage, 256) }),
  resource_profiles: z.object({ profiles: listOf(resourceProfile, 512) }),
  available_model_capacity: z.object({ models: listOf(modelCapacity, 512) }),
} as const;
export type UpKind = keyof typeof upSchemas;
/** Everything that goes up, by kind. */
export type UpMessage = { [K in UpKind]: { kind: K; payload: z.infer<(typeof upSchemas)[K]> } }[UpKind];
