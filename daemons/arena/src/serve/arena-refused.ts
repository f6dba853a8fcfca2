/** What the arena's API refuses, as its callers read it: `{error, message, code, field?}` (verification AR23). */
import { type AttestCode, AttestRefused } from '@labmesh/attest/attest-refused';
import { holdsProto } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Context } from 'hono';
import type { z } from 'zod';

const statuses = {
  VALIDATION_FAILED: [400, 'Bad request'],
  TENANT_MISSING: [401, 'Unauthorized'],
  NOT_FOUND: [404, 'Not found'],
  ROUTE_NOT_FOUND: [404, 'Not found'],
  CERTIFICATE_PENDING: [404, 'Not found'],
  CONFLICT: [409, 'Conflict'],
  BODY_TOO_LARGE: [413, 'Too large'],
  INTERNAL: [500, 'Internal error'],
} as const;

export class ArenaRefused extends Error {
  override readonly name = 'ArenaRefused';
  readonly code: keyof typeof statuses;
  readonly field: string | undefined;

  constructor(code: keyof typeof statuses, message: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

type Answer = {
  status: number;
  error: string;
  message: string;
  code: string;
  field?: string | undefined;
  retryAfterS?: number;
};

/** Errors of the parts that carry a status of their own: suites, pairs, verifiers. */
type Refusal = Error & { code: string; status: number; field?: string };
const isRefusal = (error: unknown): error is Refusal =>
  error instanceof Error &&
  typeof (error as Refusal).status === 'number' &&
  typeof (error as Refusal).code === 'string';

/** Of the issuer's log: any other refusal of it is a fault of ours. */
const passedRefusals: Partial<Record<AttestCode, string>> = {
  LOG_LOCKED: 'the issuer changes its keys; try again',
  LOG_BUSY: 'too much waits to be logged; try again',
  KMS_AWAY: 'the service that signs does not answer; try again',
  KMS_BAD_ANSWER: 'the service that signs does not answer as it must; its issuer has to be asked',
  KMS_REFUSED: 'the service that signs refuses; its issuer has to be asked',
  REVOCATIONS_BAD: 'the list of revocations takes no more; its issuer has to be asked',
};

function answerOf(error: unknown): Answer | undefined {
  if (error instanceof ArenaRefused) {
    const [status, text] = statuses[error.code];
    const later = error.code === 'CERTIFICATE_PENDING' && { retryAfterS: 15 };
    return { status, error: text, message: error.message, code: error.code, field: error.field, ...later };
  }
  if (error instanceof ApiError) {
    const { status, code, message, param, retryAfterS } = error;
    return {
      status,
      error: code,
      message,
      code,
      field: param ?? undefined,
      ...(retryAfterS !== undefined && { retryAfterS }),
    };
  }
  if (error instanceof AttestRefused) {
    const message = passedRefusals[error.code];
    return message === undefined
      ? undefined
      : { status: 503, error: 'Unavailable', message, code: error.code, retryAfterS: 5 };
  }
  if (error instanceof FleetError)
    return { status: 503, error: 'Unavailable', message: error.message, code: error.code };
  if (!isRefusal(error)) return undefined;
  return { status: error.status, error: 'Refused', message: error.message, code: error.code, field: error.field };
}

/** The answer for what was thrown; what nobody foresaw is told to the log alone. */
export function refusal(c: Context, error: unknown, onFault: (error: unknown) => void): Response {
  const answer = answerOf(error);
  if (answer === undefined) onFault(error);
  const { status, retryAfterS, ...body } = answer ?? {
    status: 500,
    error: 'Internal error',
    message: 'a fault of the arena; its log has the details',
    code: 'INTERNAL',
  };
  if (retryAfterS !== undefined) c.header('retry-after', String(retryAfterS));
  return c.json(body, status as 400);
}

/** What is nested deeper than the stack reaches is refused, and no fault of ours. */
function parsedBy<S extends z.ZodType>(schema: S, value: unknown): z.ZodSafeParseResult<z.output<S>> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof RangeError) throw new ArenaRefused('VALIDATION_FAILED', 'the body is nested too deep');
    throw error;
  }
}

/**
 * Reads by a schema; `name` is that of a field that stands alone.
 * @throws ArenaRefused VALIDATION_FAILED with the first field at fault
 */
export function readBy<S extends z.ZodType>(schema: S, value: unknown, name?: string): z.output<S> {
  const parsed = parsedBy(schema, value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join('.') || name;
  throw new ArenaRefused('VALIDATION_FAILED', `${field ?? 'the body'}: ${issue?.message ?? 'is not valid'}`, field);
}

/** @throws ArenaRefused VALIDATION_FAILED, BODY_TOO_LARGE */
export async function readJson<S extends z.ZodType>(c: Context, schema: S, bytesMost: number): Promise<z.output<S>> {
  const text = await c.req.text();
  if (Buffer.byteLength(text) > bytesMost)
    throw new ArenaRefused('BODY_TOO_LARGE', `the body has at most ${bytesMost} bytes`);
  let value: unknown;
  try {
    value = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new ArenaRefused('VALIDATION_FAILED', 'the body is no JSON');
  }
  const read = readBy(schema, value);
  // Schemas drop such a member without a word: an expected schema would ask for less than it says.
  const { verification } = (value ?? {}) as { verification?: unknown };
  if (holdsProto(verification)) {
    throw new ArenaRefused('VALIDATION_FAILED', 'verification: a member cannot be called __proto__', 'verification');
  }
  return read;
}
