/** What labd remembers of what happened: audit, sessions, certificates, events, and its own state. */
import { z } from 'zod';
import { principalKinds } from '../principal.ts';
import { idField, nameField, pageQuery, timeField } from './fields.ts';

const hex64 = z.string().regex(/^[0-9a-f]{64}$/);

/** AU-1. Absent fields are left out, as in the hashed form. */
export const auditRowSchema = z.object({
  seq: z.int(),
  chain: z.string(),
  keyId: z.string(),
  at: timeField,
  phase: z.enum(['start', 'end', 'single']),
  principal: z.object({ kind: z.enum(principalKinds), id: z.string(), name: z.string() }),
  session: z.string().optional(),
  sourceIp: z.string().optional(),
  requestId: z.string().optional(),
  action: z.string(),
  resource: z.string().optional(),
  resourceId: z.string().optional(),
  result: z.enum(['ok', 'denied', 'error']),
  code: z.string().optional(),
  durationMs: z.number().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
  prevHash: hex64,
  hash: hex64,
});
export type AuditRow = z.infer<typeof auditRowSchema>;
export const auditQuerySchema = z.object({
  ...pageQuery,
  action: z.string().max(128).optional(),
  principal: z.string().max(300).optional(),
  resource: z.string().max(300).optional(),
  result: z.enum(['ok', 'denied', 'error']).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
});
export const auditExportQuerySchema = z.object({
  since: z.iso.datetime().optional(),
  cursor: z.string().max(512).optional(),
});
export const verifyAuditSchema = z
  .object({
    chain: z.string().max(64).optional(),
    from: z.int().min(1).optional(),
    checkpoint: z.string().max(65_536).optional(),
  })
  .strict();
export const auditFaults = ['edited', 'deleted', 'reordered', 'truncated', 'wrong-key'] as const;
export const verifiedAuditSchema = z.object({
  ok: z.boolean(),
  chains: z.array(
    z.object({
      chain: z.string(),
      rows: z.int(),
      fromSeq: z.int(),
      toSeq: z.int(),
      fault: z.object({ seq: z.int(), kind: z.enum(auditFaults) }).nullable(),
    }),
  ),
});
export type VerifiedAudit = z.infer<typeof verifiedAuditSchema>;
export const checkpointSchema = z.object({
  id: idField,
  at: timeField,
  replicaId: z.string(),
  body: z.string(),
  signature: z.string(),
});

export const sessionSchema = z.object({
  id: idField,
  kind: z.string(),
  serverId: idField,
  hostname: z.string(),
  principal: z.string(),
  job: z.string().nullable(),
  command: z.string().nullable(),
  tty: z.boolean(),
  state: z.enum(['open', 'detached', 'ended', 'lost']),
  startedAt: timeField,
  endedAt: timeField.nullable(),
  exit: z.unknown().nullable(),
  closeCode: z.int().nullable(),
  recordingId: z.string().nullable(),
});
export type Session = z.infer<typeof sessionSchema>;
export const sessionQuerySchema = z.object({
  ...pageQuery,
  job: z.uuid().optional(),
  server: z.string().max(253).optional(),
  state: z.enum(['open', 'detached', 'ended', 'lost']).optional(),
});

export const certificateSchema = z.object({
  serial: z.string(),
  identity: z.string(),
  kind: z.string(),
  name: z.string(),
  keyHash: z.string(),
  issuerKey: z.string(),
  notBefore: timeField,
  notAfter: timeField,
  issuedBy: z.string(),
  revokedAt: timeField.nullable(),
});
export const certificateQuerySchema = z.object({
  ...pageQuery,
  identity: z.string().max(512).optional(),
  live: z.stringbool().optional(),
});
export const revokeSchema = z.object({ reason: z.string().max(253).default('revoked by an operator') }).strict();

export const caPhases = ['standby', 'init', 'update_clients', 'update_servers'] as const;
export const caStatusSchema = z.object({
  phase: z.enum(caPhases),
  phaseSince: timeField.nullable(),
  trustDomain: z.string(),
  rootMode: z.enum(['local', 'offline']),
  pins: z.array(z.string()),
  keys: z.array(
    z.object({ id: z.string(), role: z.string(), phase: z.string(), notAfter: timeField, keyHash: z.string() }),
  ),
  bundleDigest: z.string(),
  /** Agents that have not reported the bundle. */
  behind: z.array(z.string()),
  warnings: z.array(z.string()),
});
export const rotateCaSchema = z
  .object({ to: z.enum([...caPhases, 'rollback']), force: z.boolean().default(false) })
  .strict();

export const eventSchema = z.object({
  id: idField,
  at: timeField,
  type: z.string(),
  resource: z.string(),
  resourceId: z.string(),
  details: z.unknown(),
});
export type FleetEvent = z.infer<typeof eventSchema>;

export const replicaSchema = z.object({
  id: z.string(),
  version: z.string(),
  startedAt: timeField,
  seenAt: timeField,
  live: z.boolean(),
  agentUrl: z.string().nullable(),
});
export const fleetHealthSchema = z.object({
  status: z.enum(['ok', 'degraded', 'down']),
  version: z.string(),
  uptimeS: z.number(),
});
export const fleetReadySchema = z.object({
  status: z.enum(['ok', 'degraded', 'down']),
  checks: z.object({ database: z.string(), migrations: z.string(), ca: z.string(), audit: z.string() }),
});
export const detailedHealthSchema = z.object({
  status: z.enum(['ok', 'degraded', 'down']),
  version: z.string(),
  replicaId: z.string(),
  uptimeS: z.number(),
  database: z.object({ engine: z.string(), status: z.string(), latencyMs: z.number().nullable() }),
  agents: z.object({ connected: z.int(), known: z.int() }),
  replicas: z.array(replicaSchema),
  audit: z.object({ headSeq: z.int(), lagMs: z.number() }),
  ca: z.object({ phase: z.string(), notAfter: timeField.nullable() }),
  recordings: z
    .object({
      /** They cannot be written: sessions that must be recorded do not begin. */
      failing: z.boolean(),
      /** The bucket, and the parts that wait for it; null where there is none. */
      archive: z.object({ state: z.enum(['ok', 'away']), why: z.string().nullable(), waiting: z.int() }).nullable(),
    })
    .optional(),
  loopDelayP99Ms: z.number(),
});
export const secretKeySchema = z.object({
  id: z.string(),
  state: z.string(),
  createdAt: timeField,
  updatedAt: timeField,
});
export const bastionSchema = z.object({
  id: idField,
  name: z.string(),
  url: z.string().nullable(),
  lastSeenAt: timeField.nullable(),
  createdAt: timeField,
});
/** What a bastion may be asked to do with a machine (metal plane). */
export const machineActionSchema = z
  .object({
    action: z.enum(['install', 'reprovision', 'register']),
    hostname: nameField.optional(),
    role: z.enum(['worker', 'infra']).optional(),
  })
  .strict();
export const machineSchema = z.object({
  id: idField,
  bastion: z.string(),
  mac: z.string(),
  hostname: z.string().nullable(),
  role: z.string().nullable(),
  state: z.string(),
  updatedAt: timeField,
});
