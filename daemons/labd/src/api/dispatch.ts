/**
 * One call, in this order: guard → identify → limits → store and shutdown → access → input → audit start → handler →
 * audit end → answer. Everything an operation may need is decided by its row in the table; a handler only does the work.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { FleetError, type FleetErrorCode } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { Policies, Subject } from '../access/policies.ts';
import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { Caller } from '../login/caller.ts';
import { AccessCheck } from './access-check.ts';
import { limitCall, type Outgoing } from './limit-call.ts';
import type { Connection } from './connection.ts';
import type { AuditNote, Call } from './handler.ts';
import type { IdempotentAnswers } from './idempotency.ts';
import { identify, type Identified, type IdentifyParts } from './identify.ts';
import { parseInput, readJsonBody, readQuery } from './read-input.ts';
import { guardRequest } from './request-guard.ts';

export type AnyHandler = (call: Call<FleetOperation>) => Promise<unknown>;

export type DispatchParts = {
  policies: Policies;
  audit: AuditLog;
  limiter: RateLimiter;
  identifyParts: IdentifyParts;
  idempotent: IdempotentAnswers;
  guard: { hosts: ReadonlySet<string>; origins: readonly string[] };
  bodyBytesMax: number;
  clock: Clock;
  log: Logger;
  /** Why nothing but health can be served now, or undefined. */
  unavailable: () => FleetErrorCode | undefined;
};

const requestMs = 30_000;
/** Operations whose answer is a stream may take longer than a request. */
const isStreaming = (operation: FleetOperation) => operation.output === null;

function assertMayBegin(operation: FleetOperation, caller: Identified, parts: DispatchParts): void {
  if (operation.audit !== '-' || operation.access.rule !== 'public') {
    const why = parts.unavailable();
    if (why !== undefined) throw new FleetError(why);
  }
  if (caller.isExpired === true && operation.name !== 'reenroll' && operation.access.rule !== 'public') {
    throw new FleetError('UNAUTHENTICATED', { message: 'this certificate has expired', hint: 'labctl login' });
  }
}

/** The audit rows of one call. */
class CallRecord {
  readonly #base: Omit<AuditEntry, 'phase' | 'result'>;
  readonly #operation: FleetOperation;
  readonly #parts: DispatchParts;
  readonly #startedAt: number;
  note: AuditNote = {};
  #started = false;

  constructor(operation: FleetOperation, caller: Caller, parts: DispatchParts) {
    this.#operation = operation;
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#base = {
      principal: caller.principal,
      action: operation.name,
      sourceIp: caller.sourceIp,
      requestId: caller.requestId,
    };
  }

  #entry(phase: AuditEntry['phase'], result: AuditEntry['result'], code?: string): AuditEntry {
    const durationMs = Math.round((this.#parts.clock.now() - this.#startedAt) * 10) / 10;
    return {
      ...this.#base,
      ...this.note,
      phase,
      result,
      ...(phase !== 'start' && { durationMs }),
      ...(code !== undefined && { code }),
    };
  }

  /** F: the row that must stand before anything is done. S: it must be possible to write one. */
  async start(params: Readonly<Record<string, string>>): Promise<void> {
    const [id] = Object.values(params);
    if (id !== undefined) this.note = { resource: id };
    if (this.#operation.audit !== 'F') return;
    await this.#parts.audit.append(this.#entry('start', 'ok'));
    this.#started = true;
  }

  async done(): Promise<void> {
    const { audit } = this.#operation;
    if (audit === 'L') this.#parts.audit.note(this.#entry('single', 'ok'));
    else if (audit !== '-') await this.#parts.audit.append(this.#entry(this.#started ? 'end' : 'single', 'ok'));
  }

  /** A refusal is a row, too; one that cannot be written does not hide the refusal. */
  async failed(error: FleetError): Promise<void> {
    if (this.#operation.audit === '-' && error.status < 401) return;
    const result = error.status === 401 || error.status === 403 || error.code === 'NOT_FOUND' ? 'denied' : 'error';
    const entry = this.#entry(this.#started ? 'end' : 'single', result, error.code);
    if (this.#operation.audit === 'L' || error.status === 429) return this.#parts.audit.note(entry);
    await this.#parts.audit.append(entry).catch(() => undefined);
  }
}

async function readInput(operation: FleetOperation, request: Request, url: URL, parts: DispatchParts) {
  const query = operation.query === undefined ? undefined : parseInput(operation.query, readQuery(url));
  if (operation.body === undefined) return { query, body: undefined };
  return {
    query,
    body: parseInput(operation.body, await readJsonBody(request, operation.bodyBytesMax ?? parts.bodyBytesMax)),
  };
}

async function withinTime<T>(operation: FleetOperation, work: Promise<T>): Promise<T> {
  if (isStreaming(operation)) return work;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new FleetError('AGENT_TIMEOUT', { message: 'this took too long' })),
    requestMs,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What failed as a FleetError; what nobody foresaw is logged and told as INTERNAL. */
export function asFleetError(error: unknown, log: Logger, requestId: string): FleetError {
  if (error instanceof FleetError) {
    if (error.status >= 500)
      log.warn('a call failed', { requestId, code: error.code, reason: error.log, error: error.cause });
    return error;
  }
  log.error('a call failed in a way nobody foresaw', { requestId, error });
  return new FleetError('INTERNAL', { cause: error });
}

export type Incoming = {
  operation: FleetOperation;
  handler: AnyHandler;
  connection: Connection;
  request: Request;
  params: Readonly<Record<string, string>>;
  requestId: string;
};

/** Serves one call; `out` collects headers. @throws FleetError. */
export async function dispatch(incoming: Incoming, parts: DispatchParts, out: Outgoing): Promise<unknown> {
  const { operation, handler, connection, request, params, requestId } = incoming;
  const { headers } = request;
  if (connection.listener !== 'socket') guardRequest(request.url, headers, parts.guard);
  const caller = await identify(connection, headers, requestId, parts.identifyParts);
  const record = new CallRecord(operation, caller, parts);
  try {
    await limitCall(operation, caller, parts.limiter, out);
    assertMayBegin(operation, caller, parts);
    const subject: Subject = {
      principal: caller.principal,
      ...(caller.groups !== undefined && { groups: caller.groups }),
    };
    const access = new AccessCheck(operation, subject, parts.policies);
    access.begin();
    const { query, body } = await readInput(operation, request, new URL(request.url), parts);
    await record.start(params);
    const call = {
      caller,
      subject,
      params,
      query,
      body,
      signal: request.signal,
      headers,
      note: (note: AuditNote) => void (record.note = { ...record.note, ...note }),
      may: access.may,
    } as Call<FleetOperation>;
    const key = operation.idempotent === true ? (headers.get('idempotency-key') ?? undefined) : undefined;
    const work = () => handler(call);
    const answer = await withinTime(
      operation,
      key === undefined ? work() : parts.idempotent.once(key, caller, operation, body, work),
    );
    access.end();
    await record.done();
    return answer;
  } catch (error) {
    const known = asFleetError(error, parts.log, requestId);
    await record.failed(known);
    throw known;
  }
}
