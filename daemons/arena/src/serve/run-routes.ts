/** Runs over HTTP: `arena.run` for the gateway, and the same for holders of a key (verification RP2, AR21, AR22). */
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Clock } from '@labmesh/kit/clock';
import { chatMessageSchema } from '@labmesh/wire/openai';
import { errorTable } from '@labmesh/wire/errors';
import { requestId } from '@labmesh/wire/ids';
import {
  type ArenaEvent,
  arenaLineBytesMost,
  type ArenaResult,
  lastEvents,
  type RunOffer,
  runOfferSchema,
  runsPath,
} from '@labmesh/wire/verification/arena-run';
import { verificationBlockSchema, verificationLimits } from '@labmesh/wire/verification/verification-block';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { keyOf, tenantOf, withinRights } from './arena-caller.ts';
import { ArenaRefused, readJson } from './arena-refused.ts';
import type { VerifiedCertificate } from './certificates/verified-certificate.ts';

export type SubmitRun = (offer: RunOffer, signal: AbortSignal) => AsyncIterable<ArenaEvent>;
export type RunRouteParts = {
  submit: SubmitRun;
  clock: Clock;
  /** How long a tenant's runs took, ms; null = nobody knows yet. */
  usualMs: (tenant: string) => Promise<number | null>;
  /** One that a run was given just now. */
  certificateOf: (tenant: string, id: string) => Promise<VerifiedCertificate | null>;
  /** Lines that go on after their caller left (trajectories), and what became of them. */
  onFault: (error: unknown) => void;
};

type Ask = Pick<RunOffer, 'request' | 'answer' | 'block'>;

const trajectorySchema = z.strictObject({
  /** The last one is what is checked. */
  messages: z
    .array(chatMessageSchema)
    .min(1)
    .refine((messages) => messages.at(-1)?.role === 'assistant', "the last one has to be the assistant's"),
  model: z.string().min(1).max(256).default('unknown'),
  verification: verificationBlockSchema.prefault({}),
});
const claimed = (model: string) => (model === 'unknown' ? model : `claimed:${model}`).slice(0, 256);
const verifySchema = z.strictObject({
  messages: z.array(chatMessageSchema).min(1),
  model: z.string().min(1).max(256),
  shadowConfig: z
    .strictObject({
      variations: z.int().min(1).max(verificationLimits.variationsMost).optional(),
      temperatures: z.array(z.number().min(0).max(2)).min(1).max(verificationLimits.variationsMost).optional(),
      enableVerifiers: z.array(z.string().max(64)).min(1).max(32).optional(),
    })
    .prefault({}),
});

/**
 * An id that is known is answered with its run, and the caller chooses it: it is bound to who asks for what, so that no
 * other answer or prompt ever finds a run and its certificate under it.
 */
const boundId = (c: Context, ask: Ask) =>
  `ask.${sha256Hex(new TextEncoder().encode(JSON.stringify([keyOf(c), c.req.header('x-request-id') ?? requestId(), ask])))}`;

function offerOf(c: Context, ask: Ask, now: number): RunOffer {
  const { request, answer, block } = ask;
  const waitMs = block.max_wait_ms ?? block.deadline_ms ?? verificationLimits.waitMs;
  return withinRights(c, {
    requestId: boundId(c, ask),
    tenant: tenantOf(c),
    key: keyOf(c),
    mode: answer === undefined ? 'intercept' : 'audit',
    request,
    ...(answer !== undefined && { answer }),
    block,
    deadlineMs: now + waitMs,
  });
}

/** An offer of the gateway. Its tenant is that of the header, which all else is read by. @throws ArenaRefused */
async function readOffer(c: Context): Promise<RunOffer> {
  const offer = await readJson(c, runOfferSchema, arenaLineBytesMost);
  if (offer.tenant === tenantOf(c)) return withinRights(c, offer);
  throw new ArenaRefused('VALIDATION_FAILED', 'tenant: is not the one that asks', 'tenant');
}

/** One event a line; the caller going away ends the run. */
function lines(events: AsyncIterable<ArenaEvent>): ReadableStream<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done === true) return controller.close();
      controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** The event that stands at the end. */
async function* lastOf(events: AsyncIterable<ArenaEvent>): AsyncGenerator<ArenaEvent> {
  let last: ArenaEvent | undefined;
  for await (const event of events) last = event;
  if (last !== undefined) yield last;
}

function streamed(c: Context, { submit }: RunRouteParts, offer: RunOffer): Response {
  const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' };
  const events = submit(offer, c.req.raw.signal);
  return new Response(lines(c.req.query('events') === lastEvents ? lastOf(events) : events), { headers });
}

/** Waits for the first line; the rest goes on by itself. */
async function detach({ submit, onFault }: RunRouteParts, offer: RunOffer): Promise<ArenaEvent> {
  const iterator = submit(offer, new AbortController().signal)[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw new Error('a run without an event');
  const rest = async () => {
    while ((await iterator.next()).done !== true);
  };
  void rest().catch(onFault);
  return first.value;
}

/** The last line of a run. */
async function ended(events: AsyncIterable<ArenaEvent>): Promise<{ last: ArenaEvent; seen: ArenaEvent[] }> {
  const seen: ArenaEvent[] = [];
  for await (const event of events) seen.push(event);
  const last = seen.at(-1);
  if (last === undefined) throw new Error('a run without an event');
  return { last, seen };
}

/** The original's answer (AR22). */
function verifyAnswer(
  result: ArenaResult,
  certificate: VerifiedCertificate | null,
  seen: readonly ArenaEvent[],
  latencyMs: number,
) {
  const { report, usage } = result;
  const verified = report.status === 'valid';
  const shadowResults = seen.flatMap((event) =>
    event.event === 'outcome' && event.attempt === 0
      ? [{ variation: event.index, ...callOf(seen, event.index), score: event.score }]
      : [],
  );
  return {
    trajectoryId: report.run_id,
    status: verified ? 'verified' : report.status === 'invalid' ? 'failed' : 'inconclusive',
    certificate,
    verification: report,
    shadowResults,
    primaryResponse:
      result.answer === null ? null : { model: result.model, content: result.answer.content ?? null, latencyMs },
    metadata: {
      inputTokens: usage.prompt_tokens,
      outputTokens: usage.completion_tokens ?? 0,
      totalLatencyMs: latencyMs,
    },
  };
}
function callOf(seen: readonly ArenaEvent[], index: number) {
  const last = seen.findLast((one) => one.event === 'candidate' && one.index === index);
  return last?.event === 'candidate'
    ? { temperature: last.temperature, latencyMs: last.latencyMs }
    : { temperature: null, latencyMs: null };
}

const brokenOff = { code: 'internal_error' as const, message: 'the run broke off', field: null, retryAfterS: null };

/** The answer for a run that ended without a result. */
function refusedRun(c: Context, last: ArenaEvent): Response {
  const { code, message, field, retryAfterS } = last.event === 'error' ? last : brokenOff;
  if (retryAfterS !== null) c.header('retry-after', String(retryAfterS));
  return c.json({ error: code, message, code, ...(field !== null && { field }) }, errorTable[code].status as 400);
}

export function runRoutes(parts: RunRouteParts): Hono {
  const { submit, clock } = parts;
  const app = new Hono();
  app.post(runsPath, async (c) => streamed(c, parts, await readOffer(c)));
  app.post('/api/arena/trajectories', async (c) => {
    const { messages, model, verification: block } = await readJson(c, trajectorySchema, arenaLineBytesMost);
    const answer = messages.at(-1);
    const before = messages.slice(0, -1);
    // Nobody saw a model write it: what is said of its origin is the caller's word, and reads so in a certificate too.
    const request = { model: claimed(model), messages: before.length === 0 ? [{ role: 'user', content: '' }] : before };
    const offer = offerOf(c, { request, answer, block }, clock.wall());
    const first = await detach(parts, offer);
    if (first.event !== 'accepted') return refusedRun(c, first);
    const message = 'the answer is being checked; GET /api/arena/trajectories/ID tells what became of it';
    const estimatedCompletionMs = await parts.usualMs(offer.tenant);
    return c.json({ trajectoryId: first.runId, status: 'pending', message, estimatedCompletionMs }, 202);
  });
  app.post('/api/arena/verify', async (c) => {
    const { messages, model, shadowConfig } = await readJson(c, verifySchema, arenaLineBytesMost);
    const { variations, temperatures, enableVerifiers: verifiers } = shadowConfig;
    const block = verificationBlockSchema.parse({ variations, temperatures, verifiers });
    const from = clock.now();
    const offer = offerOf(c, { request: { model, messages }, block }, clock.wall());
    const { last, seen } = await ended(submit(offer, c.req.raw.signal));
    if (last.event !== 'result') return refusedRun(c, last);
    const tookMs = Math.round(clock.now() - from);
    const { certificate_id: id } = last.report;
    const certificate = id === null ? null : await parts.certificateOf(offer.tenant, id);
    return c.json(verifyAnswer(last, certificate, seen, tookMs));
  });
  return app;
}
