/**
 * The routes, made from the operations table, on Hono. One app serves three doors: the API, the agent listener (a short
 * list of operations) and the admin socket.
 */
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { fleetOperations } from '@labmesh/wire/fleet/operations';
import { cleanRequestId } from '@labmesh/wire/ids';
import { type Context, Hono } from 'hono';
import type { Connection } from './connection.ts';
import { isPreflight, markAnswer, preflightHeaders } from './edge/cross-origin.ts';
import { type AnyHandler, asFleetError, dispatch, type DispatchParts } from './dispatch.ts';
import type { Outgoing } from './limit-call.ts';
import type { Handlers } from './handler.ts';

/** `connection` is what the listener knows of the socket. */
type Env = { Bindings: { connection: Connection } };

const noStore = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

function errorResponse(error: FleetError, requestId: string, out: Outgoing): Response {
  const retryAfter =
    error.retryAfterMs === undefined
      ? {}
      : { 'Retry-After': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) };
  return Response.json(fleetErrorBody(error, requestId), {
    status: error.status,
    headers: { ...noStore, ...retryAfter, ...out, 'X-Request-Id': requestId },
  });
}

function goodResponse(operation: FleetOperation, answer: unknown, requestId: string, out: Outgoing): Response {
  const headers = { ...noStore, ...out, 'X-Request-Id': requestId };
  if (!(answer instanceof Response)) return Response.json(answer, { status: operation.status ?? 200, headers });
  for (const [name, value] of Object.entries(headers)) if (!answer.headers.has(name)) answer.headers.set(name, value);
  return answer;
}

async function serve(
  context: Context<Env>,
  operation: FleetOperation,
  handler: AnyHandler,
  parts: DispatchParts,
): Promise<Response> {
  const { connection } = context.env;
  const request = context.req.raw;
  const requestId = cleanRequestId(request.headers.get('x-request-id') ?? undefined);
  const out: Outgoing = {};
  try {
    const params = context.req.param() as Record<string, string>;
    const answer = await dispatch({ operation, handler, connection, request, params, requestId }, parts, out);
    return goodResponse(operation, answer, requestId, out);
  } catch (error) {
    // What dispatch throws is known and logged.
    const known = error instanceof FleetError ? error : asFleetError(error, parts.log, requestId);
    return errorResponse(known, requestId, out);
  }
}

/** Methods that a path takes, for the 405 of the others. */
function methodsOf(path: string, routes: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const words = path.split('/');
  const fits = (pattern: string) => {
    const parts = pattern.split('/');
    return (
      parts.length === words.length &&
      parts.every((part, i) => (part.startsWith(':') ? words[i] !== '' : part === words[i]))
    );
  };
  const found = new Set([...routes].filter(([pattern]) => fits(pattern)).flatMap(([, methods]) => methods));
  return found.has('GET') ? [...found, 'HEAD'] : [...found];
}

/** A browser asks before a page's call: answered without looking at who it is, since browsers do not say. */
function preflight(request: Request, methods: readonly string[], { guard }: DispatchParts): Response {
  const requestId = cleanRequestId(request.headers.get('x-request-id') ?? undefined);
  try {
    const headers = { ...preflightHeaders(request, methods, guard), ...noStore, 'X-Request-Id': requestId };
    return new Response(null, { status: 204, headers });
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return errorResponse(error, requestId, {});
  }
}

export type Fetch = (request: Request, env: { connection: Connection }) => Response | Promise<Response>;

/** Makes the app. Every operation of the table has a handler by type; its aliases are routes of their own. */
export function makeApp(handlers: Handlers, parts: DispatchParts): Fetch {
  const app = new Hono<Env>();
  const routes = new Map<string, string[]>();
  for (const operation of fleetOperations as readonly FleetOperation[]) {
    const handler = handlers[operation.name as keyof Handlers] as unknown as AnyHandler;
    for (const path of [operation.path, ...(operation.aliases ?? [])]) {
      routes.set(path, [...(routes.get(path) ?? []), operation.method]);
      app.on(operation.method, path, (context) => serve(context, operation, handler, parts));
    }
  }
  app.notFound((context) => {
    const requestId = cleanRequestId(context.req.raw.headers.get('x-request-id') ?? undefined);
    const methods = methodsOf(context.req.path, routes);
    if (methods.length === 0)
      return errorResponse(new FleetError('NOT_FOUND', { message: 'there is no such route' }), requestId, {});
    return errorResponse(new FleetError('METHOD_NOT_ALLOWED'), requestId, { Allow: methods.join(', ') });
  });
  return async (request, env) => {
    const { connection } = env;
    const response = isPreflight(request, connection)
      ? preflight(request, methodsOf(new URL(request.url).pathname, routes), parts)
      : await app.fetch(request, env);
    markAnswer(response, request, connection, parts.guard);
    return response;
  };
}
