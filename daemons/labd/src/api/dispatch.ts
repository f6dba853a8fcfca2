/**
 * One call, in this order: guard → identify → limits → door → store and shutdown → access → input → audit start →
 * handler → audit end → answer. A refusal at any of them is a row. Everything an operation may need is decided by its row in the table; a handler only does the work.
 */
import type { Logger } from '@labmesh/kit/log';
import { FleetError, type FleetErrorCode } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { Policies, Subject } from '../access/policies.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { Caller } from '../login/caller.ts';
import { AccessCheck } from './access-check.ts';
import { CallRecord, type CallRecordParts } from './call-record.ts';
import type { Connection, ListenerName } from './connection.ts';
import type { AuditNote, Call } from './handler.ts';
import type { IdempotentAnswers } from './idempotency.ts';
import { identify, type Identified, type IdentifyParts, strangerAt } from './identify.ts';
import { limitCall, limitStranger, type Outgoing } from './limit-call.ts';
import { parseInput, parseQuery, readJsonBody } from './read-input.ts';
import { guardRequest, pathOf } from './request-guard.ts';

export type AnyHandler = (call: Call<FleetOperation>) => Promise<unknown>;

export type DispatchParts = CallRecordParts & {
  policies: Policies;
  limiter: RateLimiter;
  identifyParts: IdentifyParts;
  idempotent: IdempotentAnswers;
  guard: { hosts: ReadonlySet<string>; origins: readonly string[] };
  bodyBytesMax: number;
  /** Items of a page, 1 to 500. */
  pageMax: number;
  log: Logger;
  /** Why nothing but health can be served now, or undefined. */
  unavailable: () => FleetErrorCode | undefined;
};

/** Longest an answer may take that is no stream. */
export const requestMs = 30_000;
/** Health, version and the CA's public half: for everybody, at any time, without a row. */
const isOpen = ({ audit, access }: FleetOperation) => audit === '-' && access.rule === 'public';
/** Operations whose answer is a stream may take longer than a request. */
const isStreaming = (operation: FleetOperation) => operation.output === null;

function assertMayBegin(operation: FleetOperation, caller: Identified, parts: DispatchParts): void {
  if (!isOpen(operation)) {
    const why = parts.unavailable();
    if (why !== undefined) throw new FleetError(why);
  }
  if (caller.isExpired === true && operation.name !== 'reenroll' && operation.access.rule !== 'public') {
    throw new FleetError('UNAUTHENTICATED', { message: 'this certificate has expired', hint: 'labctl login' });
  }
}

/** Agents, and labds among themselves, talk to their own listener; people never do (LD-2). */
function assertPlace(operation: FleetOperation, caller: Caller, listener: ListenerName): void {
  const places = operation.listeners ?? ['api'];
  if (listener === 'agent' && !places.includes('agent')) throw new FleetError('NOT_FOUND');
  if (listener === 'api' && !places.includes('api')) throw new FleetError('WRONG_LISTENER');
  if (listener === 'agent' && caller.principal.kind === 'user' && operation.access.rule !== 'public')
    throw new FleetError('PERMISSION_DENIED', { message: 'people call the API (labd.public_url)' });
}

/** The caller, let in as far as limits, door and state go. What was shown and is not good counts as a stranger's. */
async function admit(
  { operation, connection, request, requestId }: Incoming,
  record: CallRecord,
  parts: DispatchParts,
  out: Outgoing,
): Promise<Identified> {
  const { headers } = request;
  let caller: Identified;
  try {
    if (connection.listener !== 'socket') guardRequest(pathOf(request.url), headers, parts.guard);
    caller = await identify(connection, headers, requestId, parts.identifyParts);
  } catch (error) {
    const known = asFleetError(error, parts.log, requestId);
    const stranger = strangerAt(connection, headers, requestId, parts.identifyParts);
    // Health is told while the database is away, also to who would be somebody otherwise (LD-7).
    if (known.code !== 'STORE_UNAVAILABLE' || !isOpen(operation)) {
      if (known.status < 500) await limitStranger(stranger, parts.limiter, out);
      throw known;
    }
    caller = stranger;
  }
  record.callerIs(caller);
  await limitCall(operation, caller, parts.limiter, out);
  assertPlace(operation, caller, connection.listener);
  assertMayBegin(operation, caller, parts);
  return caller;
}

async function readInput(operation: FleetOperation, request: Request, parts: DispatchParts) {
  const query = parseQuery(operation, new URL(request.url), parts.pageMax);
  if (operation.body === undefined) return { query, body: undefined };
  return {
    query,
    body: parseInput(operation.body, await readJsonBody(request, operation.bodyBytesMax ?? parts.bodyBytesMax)),
  };
}

/** @throws FleetError AGENT_TIMEOUT after 30 s, unless the answer is a stream. */
export async function withinTime<T>(operation: FleetOperation, work: Promise<T>): Promise<T> {
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
  const { operation, connection, request, params, requestId } = incoming;
  const record = new CallRecord(
    operation,
    strangerAt(connection, request.headers, requestId, parts.identifyParts),
    parts,
  );
  const [id] = Object.values(params);
  if (id !== undefined) record.note({ resource: id });
  try {
    const caller = await admit(incoming, record, parts, out);
    const { groups } = caller;
    const subject: Subject = { principal: caller.principal, ...(groups !== undefined && { groups }) };
    const access = new AccessCheck(operation, subject, parts.policies);
    access.begin();
    // Nothing has a name with a NUL, and PostgreSQL refuses to look.
    if (id?.includes('\0') === true) throw new FleetError('NOT_FOUND');
    const { query, body } = await readInput(operation, request, parts);
    await record.start();
    const { signal, headers } = request;
    const note = (more: AuditNote) => record.note(more);
    const stillMay = () => wouldBegin(incoming, subject, parts);
    const call = { caller, subject, params, query, body, signal, headers, note, may: access.may, stillMay };
    const answer = await work(incoming, call, access, parts);
    await record.done();
    return answer;
  } catch (error) {
    const known = asFleetError(error, parts.log, requestId);
    await record.failed(known);
    throw known;
  }
}

/** The same judgement again, from the certificate or bearer on; a database that is away takes nobody's right. */
async function wouldBegin(
  { operation, connection, request, requestId }: Incoming,
  subject: Subject,
  parts: DispatchParts,
): Promise<boolean> {
  try {
    const caller = await identify(connection, request.headers, requestId, parts.identifyParts);
    new AccessCheck(operation, subject, parts.policies).begin();
    return caller.isExpired !== true;
  } catch (error) {
    return error instanceof FleetError && error.code === 'STORE_UNAVAILABLE';
  }
}

/** The handler's answer, or the one that was given for the same Idempotency-Key before. */
async function work(
  { operation, handler, request }: Incoming,
  call: Call<FleetOperation>,
  access: AccessCheck,
  parts: DispatchParts,
): Promise<unknown> {
  const run = async () => {
    const answer = await withinTime(operation, handler(call));
    access.end();
    return answer;
  };
  const key = operation.idempotent === true ? request.headers.get('idempotency-key') : null;
  // An answer that is given again was judged when it was made.
  return key === null ? run() : parts.idempotent.once(key, call, operation, run);
}
