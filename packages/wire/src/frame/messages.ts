/**
 * The JSON payloads of the control frames and of channel answers (HB-3 … HB-12, EX-4). Each schema is made when it is
 * first used: making all of them takes longer than the whole of a short command (fleet plane 3). Inside of another one
 * stands what it holds, because a reference that may never be followed would make zod look for cycles at each parse.
 */
import { z } from 'zod';
import { principalSchema } from '../fleet/principal.ts';
import { badVersionsMax, releaseVersionField, updateStateField } from '../fleet/releases.ts';
import { logAckSchema, logBatchSchema, shippingReportSchema } from './log-batch.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
/** What is stored or shown as it is: printable ASCII. A NUL would fail the write of a whole batch of agents. */
const plainText = (charsMax: number) =>
  z
    .string()
    .regex(/^[\x20-\x7e]*$/)
    .max(charsMax);

/** Cumulative bytes received, by stream. */
export const receivedSchema = z.lazy(() =>
  z.object({
    in: z.int().min(0).default(0),
    out: z.int().min(0).default(0),
    err: z.int().min(0).default(0),
  }),
);
export type Received = z.infer<typeof receivedSchema>;

export const helloSchema = z.lazy(() =>
  z.object({
    protocols: z.array(z.int().min(1).max(1000)).min(1).max(16),
    kind: z.enum(['agent', 'bastion', 'client', 'labd']),
    /** The server an agent stands on; the replica of a labd; empty for a client. */
    serverId: z.string().max(64).default(''),
    /** New with each start of the process. */
    instanceId: z.uuid(),
    bootId: z.string().max(64).default(''),
    version: plainText(64),
    os: z.string().max(64).default(''),
    arch: plainText(32).default(''),
    capabilities: z.array(z.string().max(64)).max(64).default([]),
    factsDigest: z.string().max(64).default(''),
    /** Digest of the CA bundle it trusts. */
    bundle: plainText(64).default(''),
    /** Sessions that still live there, for LIVE and resume. */
    sessions: z.array(z.uuid()).max(1024).default([]),
  }),
);
export type Hello = z.infer<typeof helloSchema>;

export const execSettingsSchema = z.lazy(() =>
  z.object({
    orphanTtlMs: z.int().min(0),
    detachedTtlMs: z.int().min(0),
    killAfterMs: z.int().min(0),
    drainMs: z.int().min(0),
  }),
);
export type ExecSettings = z.infer<typeof execSettingsSchema>;

export const helloOkSchema = z.lazy(() =>
  z.object({
    protocol: z.int(),
    replicaId: z.string().max(64),
    heartbeatMs: z.int().min(100).max(600_000),
    /** labd's clock, Unix ms. */
    timeMs: z.int(),
    /** Digest of the CA bundle; whoever trusts another one is sent it after its next heartbeat. */
    bundle: z.string().max(64).default(''),
    /** What labd's settings say about sessions; the agent's own switches stand above it. */
    exec: execSettingsSchema.unwrap().optional(),
    limits: z.object({ channels: z.int(), window: z.int(), windowMax: z.int() }),
    /** Whether it forwards logs to a collector (AG-7). */
    shipsLogs: z.boolean().optional(),
    /** Other replicas' agent URLs. */
    urls: z.array(z.string().max(2048)).max(64).default([]),
    /** Whoever loses this link tries again within that time, at a moment of its own choice (AG-4). */
    retryAfterMaxMs: z.int().min(0).max(600_000).optional(),
  }),
);
export type HelloOk = z.infer<typeof helloOkSchema>;

export const heartbeatSchema = z.lazy(() =>
  z.object({
    kind: z.literal('heartbeat'),
    uptimeS: z.number().min(0),
    load: z.array(z.number()).max(3).default([]),
    memory: z
      .object({ rssBytes: z.number(), freeBytes: z.number().optional(), totalBytes: z.number().optional() })
      .optional(),
    channels: z.int().min(0).default(0),
    bundle: plainText(64).default(''),
    /** Absent where logs are not shipped. */
    shipping: shippingReportSchema.optional(),
  }),
);
/** How one step of an install goes (HB-12). The same (actionId, attempt, stage, status) again says nothing new. */
export const bastionProgressSchema = z.lazy(() =>
  z.object({
    kind: z.literal('bastion-progress'),
    actionId: z.string().min(1).max(64),
    mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
    attempt: z.int().min(1).max(10_000),
    stage: z.string().min(1).max(64),
    status: z.string().min(1).max(64),
    hostname: z.string().max(253).optional(),
    role: z.string().max(64).optional(),
    percent: z.number().min(0).max(100).optional(),
    message: z.string().max(1_024).optional(),
    error: z.string().max(1_024).optional(),
  }),
);
export type BastionProgress = z.infer<typeof bastionProgressSchema>;

/** MSG, by kind. Unknown kinds are ignored and counted. */
export const msgSchema = z.lazy(() =>
  z.discriminatedUnion('kind', [
    heartbeatSchema.unwrap(),
    z.object({ kind: z.literal('facts'), digest: z.string().max(64), facts: z.record(z.string(), z.unknown()) }),
    z.object({ kind: z.literal('desired'), desired: z.unknown() }),
    logBatchSchema,
    logAckSchema,
    bastionProgressSchema.unwrap(),
    z.object({ kind: z.literal('error'), code: z.string().max(64), message: z.string().max(1024) }),
    /** How updates go there, and which versions turned out bad (AG-9): all of them, each time. */
    z.object({
      kind: z.literal('update-report'),
      state: updateStateField,
      badVersions: z.array(releaseVersionField).max(badVersionsMax),
    }),
    /** labd to the other end: sessions the agent should end (killed, revoked). */
    z.object({ kind: z.literal('end-sessions'), sessions: z.array(z.uuid()).max(1024), reason: z.string().max(64) }),
    /** labd to another replica: the deny list has changed, or logins have ended; read them now (CA-8). */
    z.object({ kind: z.literal('denials-changed') }),
  ]),
);
export type Msg = z.infer<typeof msgSchema>;

export const goawaySchema = z.lazy(() =>
  z.object({
    kind: z.literal('server-shutdown'),
    retryAfterMinMs: z.int().min(0).max(600_000),
    retryAfterMaxMs: z.int().min(0).max(600_000),
    urls: z.array(z.string().max(2048)).max(64).default([]),
  }),
);
export type Goaway = z.infer<typeof goawaySchema>;

/** Answer to OPEN. `token` (base64url of 16 bytes) resumes the channel (HB-6). */
export const openOkSchema = z.lazy(() =>
  z.object({
    session: z.uuid(),
    token: z.string().max(64).optional(),
    /** Bytes of window the opener may send on stream `in`. */
    window: z.int(),
    /** Kind-specific: where a copy goes on, bytes the attach ring dropped. */
    offset: z.int().min(0).optional(),
    dropped: z.int().min(0).optional(),
    recorded: z.boolean().optional(),
  }),
);
export type OpenOk = z.infer<typeof openOkSchema>;

export const resumeSchema = z.lazy(() =>
  z.object({
    session: z.uuid(),
    token: z.string().max(64),
    received: receivedSchema.unwrap(),
    principal: z.string().max(300).optional(),
  }),
);
export type Resume = z.infer<typeof resumeSchema>;
export const resumeOkSchema = z.lazy(() => z.object({ session: z.uuid(), received: receivedSchema.unwrap() }));
export type ResumeOk = z.infer<typeof resumeOkSchema>;

/** How a command ended (EX-4), or a copy (CP-2): then the code is 0, and what was left out is told by CLOSE. */
export const exitSchema = z.lazy(() =>
  z.object({
    code: z.int().nullable(),
    /** Without SIG. */
    signal: z.string().max(16).nullable(),
    core: z.boolean().default(false),
    timedOut: z.boolean().default(false),
    /** False: a child left behind still held an output. */
    drained: z.boolean().default(true),
    bytes: receivedSchema.unwrap(),
    /** SHA-256 of each stream, hex, for the audit row. */
    sha256: z.object({ in: digest.optional(), out: digest.optional(), err: digest.optional() }).optional(),
    /** Of a copy alone: the files' bytes in order, without what stands between them on the stream. */
    copied: z.object({ bytes: z.int().min(0), sha256: digest }).optional(),
  }),
);
export type Exit = z.infer<typeof exitSchema>;

/**
 * First frame of a channel between replicas: OPEN or RESUME with who asked, decided already by the sender (RP-1); or one
 * TCP connection to the proxy of the node whose hub is there (tunnel H6), named by its address within the tunnel alone.
 */
export const peerOpenSchema = z.lazy(() =>
  z.object({
    principal: principalSchema,
    agentId: z.uuid().optional(),
    open: z.unknown().optional(),
    resume: z.unknown().optional(),
    node: z.ipv4().optional(),
  }),
);
export type PeerOpen = z.infer<typeof peerOpenSchema>;
