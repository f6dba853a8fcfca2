/**
 * The listener for nodes (H1), apart from the fleet's: other identities, other code. A node is known by its token alone,
 * and opens nothing here but the two calls of node-routes.ts; the CA's roots are for whoever has their pin.
 *
 *     refused by address? ─▶ route ─▶ body ─▶ token ─▶ limit of the token ─▶ work ─▶ audit row ─▶ answer
 */
import type { Logger } from '@labmesh/kit/log';
import { FleetError, type FleetErrorCode, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { anonymous, type Principal } from '@labmesh/wire/fleet/principal';
import { cleanRequestId } from '@labmesh/wire/ids';
import type { Fetch } from '../app.ts';
import { addressKey } from '../../limits/address-key.ts';
import { rateLimited, type RateLimiter } from '../../limits/rate-limiter.ts';
import { CallRecord, type CallRecordParts } from '../call-record.ts';
import type { AuditNote } from '../handler.ts';
import { asFleetError, withinTime } from '../dispatch.ts';
import { nodeRoutes } from './node-routes.ts';

export type NodeCall = {
  request: Request;
  sourceIp: string;
  /** Adds to the audit row. */
  note(note: AuditNote): void;
  /** From here on the caller is known. */
  callerIs(principal: Principal): void;
};

export type NodeWork = (call: NodeCall) => Promise<Record<string, unknown>>;

export type NodeAppParts = CallRecordParts & {
  work: Readonly<Record<(typeof nodeRoutes)[number]['name'], NodeWork>>;
  limiter: RateLimiter;
  /** The CA's roots; a node keeps those whose pin it has. */
  bundlePem: () => string;
  unavailable: () => FleetErrorCode | undefined;
  log: Logger;
};

/** Registrations whose body is read or worked on: 1 MiB each, from one address no more than half. */
const registrationsMax = 128;
const busy = () => new FleetError('RATE_LIMITED', { retryAfterMs: 1_000 + Math.floor(Math.random() * 4_000) });

const noStore = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

/** The classic answer's fields beside the fleet's error: old nodes read `message`, new ones `error`. */
function errorResponse(error: FleetError, requestId: string): Response {
  const body = { success: false, message: error.message, ...fleetErrorBody(error, requestId) };
  const retryAfter =
    error.retryAfterMs === undefined
      ? {}
      : { 'Retry-After': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) };
  return Response.json(body, {
    status: error.status,
    headers: { ...noStore, ...retryAfter, 'X-Request-Id': requestId },
  });
}

const routeOf = (path: string): (typeof nodeRoutes)[number] | undefined =>
  nodeRoutes.find((route) => route.path === path || (route.aliases as readonly string[]).includes(path));

/** Counts what is under way by address. */
class UnderWay {
  readonly #by = new Map<string, number>();
  #all = 0;

  /** @throws FleetError RATE_LIMITED. */
  async during<T>(address: string, work: () => Promise<T>): Promise<T> {
    const own = this.#by.get(address) ?? 0;
    if (this.#all >= registrationsMax || own >= registrationsMax / 2) throw busy();
    this.#by.set(address, own + 1);
    this.#all++;
    try {
      return await work();
    } finally {
      const left = (this.#by.get(address) ?? 1) - 1;
      if (left === 0) this.#by.delete(address);
      else this.#by.set(address, left);
      this.#all--;
    }
  }
}

/** Whether a refusal counts against its address: what a node in order never hears. */
const isSuspect = ({ status }: FleetError) => status === 400 || status === 401 || status === 403 || status === 413;

export function makeNodeApp(parts: NodeAppParts): Fetch {
  const { limiter, log, work, unavailable, bundlePem } = parts;
  const underWay = new UnderWay();

  const assertAllowed = async (request: Request, address: string) => {
    const found = await limiter.peek('anonymous', address);
    if (!found.allowed) throw rateLimited(found);
    // No page has any business here.
    if (request.headers.has('origin')) throw new FleetError('ORIGIN_REFUSED');
    const why = unavailable();
    if (why !== undefined) throw new FleetError(why);
  };

  const serve = async (
    operation: (typeof nodeRoutes)[number],
    request: Request,
    sourceIp: string,
    requestId: string,
  ) => {
    const record = new CallRecord(operation, { principal: anonymous, sourceIp, requestId }, parts);
    const address = addressKey(sourceIp);
    try {
      await assertAllowed(request, address);
      const call: NodeCall = {
        request,
        sourceIp,
        note: (note) => record.note(note),
        callerIs: (principal) => record.callerIs({ principal, sourceIp, requestId }),
      };
      const run = () => withinTime(operation, work[operation.name](call));
      const answer = operation.name === 'register-node' ? await underWay.during(address, run) : await run();
      await record.done();
      return Response.json(answer, { headers: { ...noStore, 'X-Request-Id': requestId } });
    } catch (error) {
      const known = asFleetError(error, log, requestId);
      if (isSuspect(known)) await limiter.take('anonymous', address);
      await record.failed(known);
      return errorResponse(known, requestId);
    }
  };

  return async (request, { connection }) => {
    const requestId = cleanRequestId(request.headers.get('x-request-id') ?? undefined);
    const { pathname } = new URL(request.url);
    const operation = routeOf(pathname);
    if (operation !== undefined && request.method === operation.method)
      return serve(operation, request, connection.remoteAddress, requestId);
    if (operation !== undefined) return errorResponse(new FleetError('METHOD_NOT_ALLOWED'), requestId);
    if (pathname === '/ca/bundle' && request.method === 'GET')
      return new Response(bundlePem(), { headers: { ...noStore, 'Content-Type': 'application/x-pem-file' } });
    return errorResponse(new FleetError('NOT_FOUND', { message: 'there is no such route' }), requestId);
  };
}
