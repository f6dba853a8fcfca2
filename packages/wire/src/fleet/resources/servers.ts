/** Servers and their agents as the API shows them (HB-9: what `status` may say). */
import { z } from 'zod';
import { releaseVersionField, updateStateField } from '../releases.ts';
import { idField, labelKeyField, labelValueField, nameField, pageQuery, revisionField, timeField } from './fields.ts';

export const serverStatuses = [
  'online',
  'suspect',
  'offline',
  'waiting-approval',
  'banned',
  'conflict',
  'retired',
] as const;
export const serverStatusField = z.enum(serverStatuses);
export type ServerStatus = z.infer<typeof serverStatusField>;

export const serverSchema = z.object({
  id: idField,
  hostname: nameField,
  status: serverStatusField,
  environment: z.string().nullable(),
  cloud: z.string().nullable(),
  role: z.string().nullable(),
  ip: z.string().nullable(),
  macs: z.array(z.string()),
  machineId: z.string().nullable(),
  /** Admin and token labels; what the agent reported stands under `facts.*`. */
  labels: z.record(z.string(), z.string()),
  os: z.string().nullable(),
  arch: z.string().nullable(),
  cpus: z.number().nullable(),
  memoryBytes: z.number().nullable(),
  gpus: z.array(z.string()),
  agentVersion: z.string().nullable(),
  lastSeenAt: timeField.nullable(),
  createdAt: timeField,
  revision: revisionField,
});
export type Server = z.infer<typeof serverSchema>;

export const serverQuerySchema = z.object({
  ...pageQuery,
  environment: z.string().max(253).optional(),
  cloud: z.string().max(253).optional(),
  role: z.string().max(253).optional(),
  status: serverStatusField.optional(),
  /** A selector (RB-4). */
  label: z.string().max(2048).optional(),
  /** Part of the host name. */
  q: z.string().max(253).optional(),
});

const wordField = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9._-]+$/, 'is not a word');

export const patchServerSchema = z
  .object({
    revision: revisionField.optional(),
    environment: wordField.nullable().optional(),
    cloud: wordField.nullable().optional(),
    role: wordField.nullable().optional(),
    /** Null removes a label. `facts.*` is the agent's. */
    labels: z
      .record(
        labelKeyField.refine((key) => !key.startsWith('facts.'), 'facts.* is reported by the agent'),
        labelValueField.nullable(),
      )
      .optional(),
  })
  .strict();

/** Which servers a command means (FO-1): denied ones are named, so that the run can stop before it starts. */
export const resolveServersSchema = z
  .object({
    verb: z.enum(['exec', 'logs', 'copy-in', 'copy-out', 'forward']).default('exec'),
    selector: z.string().max(2048).optional(),
    names: z.array(z.string().min(1).max(253)).max(10_000).optional(),
    all: z.boolean().default(false),
    account: z.string().max(64).optional(),
  })
  .strict();
export const resolvedServersSchema = z.object({
  targets: z.array(
    z.object({ id: idField, hostname: z.string(), status: serverStatusField, lastSeenAt: timeField.nullable() }),
  ),
  denied: z.array(z.object({ hostname: z.string(), reason: z.string() })),
  unknown: z.array(z.string()),
});
export type ResolvedServers = z.infer<typeof resolvedServersSchema>;

export const agentSchema = z.object({
  id: idField,
  serverId: idField,
  hostname: z.string(),
  status: serverStatusField,
  version: z.string().nullable(),
  ring: z.string().nullable(),
  pin: z.string().nullable(),
  /** What it should run; null when nobody said. */
  desiredVersion: z.string().nullable(),
  /** How updates go there; null when it never told. */
  updateState: updateStateField.nullable(),
  badVersions: z.array(z.string()),
  keyHash: z.string(),
  bundle: z.string().nullable(),
  replicaId: z.string().nullable(),
  connectedAt: timeField.nullable(),
  approvedAt: timeField.nullable(),
  lastSeenAt: timeField.nullable(),
  createdAt: timeField,
  revision: revisionField,
});
export type Agent = z.infer<typeof agentSchema>;

/** A version, or back to the one it ran before. `now` ends sessions for it, in place of waiting at most 15 min (AG-9). */
export const updateAgentSchema = z
  .object({
    version: releaseVersionField.optional(),
    rollback: z.boolean().default(false),
    now: z.boolean().default(false),
  })
  .strict()
  .refine(({ version, rollback }) => (version === undefined) === rollback, 'takes a version, or rollback');

export const factsSchema = z.record(z.string(), z.unknown());
export const banSchema = z.object({ reason: z.string().max(253).default('banned by an operator') }).strict();
