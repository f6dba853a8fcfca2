/**
 * `arena.run`: what the gateway offers the arena and hears back, one JSON object a line (verification RP2, gateway G-31).
 * POST /v1/runs answers `application/x-ndjson`; the last line is a result or an error. An offer may be repeated with its
 * `requestId`: the same run answers. With `?events=last` that line is the only one: a run tells some twenty, and to read
 * those costs more than the offer.
 */
import { z } from 'zod';
import { chatCompletionRequestSchema, chatMessageSchema, usageSchema } from '../openai.ts';
import { priorityField } from './priority.ts';
import { toolUseSchema } from './tools/tool-use.ts';
import { outcomeField, verdictSchema } from './verdict.ts';
import {
  verificationBlockSchema,
  verificationLimits,
  verificationModeField,
  verificationReportSchema,
} from './verification-block.ts';

/** Where runs are begun, and the value of `events` that leaves all lines out but the last. */
export const runsPath = '/v1/runs';
export const lastEvents = 'last';

/** Bytes of one line of events, and of an offer. */
export const arenaLineBytesMost = 4 * 1024 * 1024;

export const runOfferSchema = z.strictObject({
  requestId: z.string().min(1).max(128),
  tenant: z.string().min(1).max(200),
  /** Id of the gateway key that asked; budgets and priorities are counted by it. */
  key: z.string().min(1).max(200),
  mode: verificationModeField.exclude(['passthrough']),
  /** As the client wrote it, without the verification block. */
  request: chatCompletionRequestSchema,
  /** audit and shadow: what the client got. Also `labctl verify`: nothing is generated then. */
  answer: chatMessageSchema.optional(),
  usage: usageSchema.optional(),
  block: verificationBlockSchema,
  /** What the key may ask for where that is more than the arena gives everybody (RP8). */
  variationsMost: z.int().min(1).max(verificationLimits.variationsMost).optional(),
  /** Wall clock, milliseconds: nothing is started after it. */
  deadlineMs: z.number(),
});
export type RunOffer = z.infer<typeof runOfferSchema>;

const tokens = z.object({ promptTokens: z.int().min(0), completionTokens: z.int().min(0) });
export const candidateStates = ['pending', 'generating', 'generated', 'stopped', 'failed'] as const;

export const arenaEventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('accepted'),
    runId: z.string(),
    cached: z.boolean(),
    position: z.int().min(0),
    /** What it waits with: what was asked for, held to what the key may ask for. */
    priority: priorityField.optional(),
  }),
  z.object({
    event: z.literal('candidate'),
    index: z.int(),
    state: z.enum(candidateStates),
    temperature: z.number().nullable(),
    seed: z.int().nullable(),
    model: z.string(),
    /** Index of an earlier candidate with the same answer. */
    sameAs: z.int().nullable(),
    chars: z.int(),
    tokens: tokens.nullable(),
    latencyMs: z.number().nullable(),
    reason: z.string().nullable(),
  }),
  z.object({ event: z.literal('tool'), index: z.int(), ...toolUseSchema.shape }),
  z.object({ event: z.literal('verdict'), index: z.int(), attempt: z.int(), verdict: verdictSchema }),
  z.object({ event: z.literal('outcome'), index: z.int(), attempt: z.int(), outcome: outcomeField, score: z.number() }),
  z.object({
    event: z.literal('correction'),
    index: z.int(),
    attempt: z.int(),
    status: z.enum(['pending', 'in_progress', 'success', 'partial', 'failed', 'max_attempts']),
  }),
  z.object({
    event: z.literal('match'),
    a: z.int(),
    b: z.int(),
    scoreA: z.number(),
    scoreB: z.number(),
    winner: z.enum(['a', 'b', 'tie', 'void']),
  }),
  z.object({
    event: z.literal('terminated'),
    reason: z.string(),
    terminatedCount: z.int(),
    savedTokensEstimate: z.int(),
    /** RFC 3339. */
    timestamp: z.string().optional(),
    details: z.record(z.string(), z.unknown()),
  }),
  z.object({
    event: z.literal('result'),
    runId: z.string(),
    /** The chosen answer; null when none may be given. */
    answer: chatMessageSchema.nullable(),
    model: z.string(),
    finishReason: z.string().nullable(),
    /** Of all variations and corrections together: what the tenant pays. */
    usage: usageSchema,
    report: verificationReportSchema,
    shadowArena: z.record(z.string(), z.unknown()).nullable(),
  }),
  z.object({
    event: z.literal('error'),
    /** One of the gateway's error codes. */
    code: z.enum([
      'verification_unavailable',
      'verification_inconclusive',
      'verification_deadline',
      'arena_busy',
      'budget_exceeded',
      'verification_bad_option',
      /** Nothing could be generated: why, when all variations failed alike. */
      'context_length_exceeded',
      'model_not_found',
      'no_endpoint_available',
      'upstream_error',
      'internal_error',
    ]),
    message: z.string(),
    field: z.string().nullable(),
    retryAfterS: z.int().nullable(),
    runId: z.string().nullable(),
  }),
]);
export type ArenaEvent = z.infer<typeof arenaEventSchema>;
export type ArenaResult = Extract<ArenaEvent, { event: 'result' }>;

/**
 * GET /v1/epoch, for the tenant of the headers: another word than before says that a certificate of it was revoked, a suite
 * changed, or the arena began anew. What was found valid under the word before is then no longer taken for granted.
 */
export const arenaEpochSchema = z.object({ epoch: z.string().min(1).max(128) });

/** Headers between gateway and arena, and on the way back (RP2, RP5, G-31). */
export const verifyHeader = 'x-labmesh-verify';
export const tenantHeader = 'x-labmesh-tenant';
export const keyHeader = 'x-labmesh-key';
/** The highest class that the key may ask for; absent = the usual one. */
export const priorityMostHeader = 'x-labmesh-priority-most';
/** Most variations that the key may ask for; absent = as many as everybody. */
export const variationsMostHeader = 'x-labmesh-variations-most';
/**
 * Which engine answered, on answers to the arena alone (AR2); sent by it: no other engine is to answer. The value says
 * whether it stands on a machine of the operator's, and is a digest over endpoint, kind, version and model otherwise.
 */
export const engineHeader = 'x-labmesh-engine';
/** The value when it is one, else undefined. */
export const readEngineMark = (text: string | undefined): string | undefined =>
  text !== undefined && /^(?:own|other)-[0-9a-f]{32}$/.test(text) ? text : undefined;
/** Of a mark: nobody is paid for what it generates. */
export const isOwnEngine = (mark: string): boolean => mark.startsWith('own-');
export const verificationStatusHeader = 'x-verification-status';
export const verificationCertificateHeader = 'x-verification-certificate';
