/**
 * What the arena says of a run, read. The arena is ours, but what it says holds text of models: every event is checked
 * before anything believes it, and its words reach a client shortened and without control characters.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError, type ErrorCode } from '@labmesh/wire/errors';
import { type ArenaEvent, arenaEventSchema, type ArenaResult } from '@labmesh/wire/verification/arena-run';
import { type Outcome, outcomeField } from '@labmesh/wire/verification/verdict';
import { z } from 'zod';

/** What of an arena's message a client may read. */
const messageCharsMost = 500;

export const unavailable = (log: string) => new ApiError('verification_unavailable', { log });

/** What an event ends a run with; undefined = the run goes on. */
export type ReadEvent<T> = (event: unknown) => T | Error | undefined;

export function readResult(json: unknown): ArenaResult | Error | undefined {
  const event = arenaEventSchema.safeParse(json).data;
  if (event === undefined) return unavailable('an event that is none of ours');
  if (event.event === 'error') return errorOf(event);
  return event.event === 'result' ? event : undefined;
}

const outcomeSchema = z.object({ event: z.literal('result'), report: z.object({ status: outcomeField }) });

/** Of a result the verdict alone. */
export function readOutcome(json: unknown): Outcome | Error | undefined {
  const status = outcomeSchema.safeParse(json).data?.report.status;
  if (status !== undefined) return status;
  const end = readResult(json);
  return end instanceof Error ? end : undefined;
}

const clean = (text: string) => text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, messageCharsMost);

/** The error that a client gets for one of the arena. */
function errorOf(event: Extract<ArenaEvent, { event: 'error' }>): ApiError {
  const { code, message, field, retryAfterS } = event;
  // A fault inside the arena is told by its name alone.
  if (code === 'internal_error')
    return new ApiError('verification_unavailable', { log: 'the arena met a fault of its own' });
  return new ApiError(code, {
    ...(message !== '' && { message: clean(message) }),
    ...(field !== null && { param: clean(field) }),
    ...(retryAfterS !== null && { retryAfterS: Math.min(Math.max(retryAfterS, 1), 3_600) }),
  });
}

/** The codes that a refusal of the arena may carry to the client. */
const passedCodes = new Set<string>([
  'verification_bad_option',
  'verification_inconclusive',
  'verification_deadline',
  'arena_busy',
  'budget_exceeded',
] satisfies ErrorCode[]);
const refusalSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), param: z.string().nullish() }),
});

/** An answer that is no run: an event line, an error in OpenAI's form, or anything at all. */
export function refusalOf(status: number, text: string): ApiError {
  const json = parseJson(text);
  const event = arenaEventSchema.safeParse(json).data;
  if (event?.event === 'error') return errorOf(event);
  const refusal = refusalSchema.safeParse(json).data?.error;
  if (refusal !== undefined && passedCodes.has(refusal.code)) {
    return new ApiError(refusal.code as ErrorCode, {
      message: clean(refusal.message),
      ...(refusal.param && { param: clean(refusal.param) }),
    });
  }
  return unavailable(`the arena answered with status ${status}`);
}
