/**
 * What pages of `labd.allowed_origins` may read (LD-5; Fetch standard, 3.2). Only the API's listener is for them, each is
 * named in its own answer, never `*`, and they act by a bearer: without Access-Control-Allow-Credentials no browser lends
 * a page the certificate of whoever sits before it.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Connection } from '../connection.ts';
import { guardRequest, pathOf } from '../request-guard.ts';

type CrossOriginRules = { hosts: ReadonlySet<string>; origins: readonly string[] };

/** Headers that calls carry beside what every page may send. */
const sentHeaders = 'Authorization, Content-Type, Idempotency-Key, X-Request-Id';
/** Headers of answers that a page may read. */
const shownHeaders = 'X-Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset';
/** Browsers ask again after so long: an origin that was taken out is refused at the call itself in any case. */
const maxAgeS = 600;

export const isPreflight = (request: Request, { listener }: Connection): boolean =>
  listener === 'api' &&
  request.method === 'OPTIONS' &&
  request.headers.has('origin') &&
  request.headers.has('access-control-request-method');

/** The headers of the answer to a preflight; `methods` are those of the path. @throws FleetError ORIGIN_REFUSED, NOT_FOUND */
export function preflightHeaders(
  request: Request,
  methods: readonly string[],
  rules: CrossOriginRules,
): Record<string, string> {
  guardRequest(pathOf(request.url), request.headers, rules);
  if (methods.length === 0) throw new FleetError('NOT_FOUND', { message: 'there is no such route' });
  return {
    'Access-Control-Allow-Methods': methods.join(', '),
    'Access-Control-Allow-Headers': sentHeaders,
    'Access-Control-Max-Age': String(maxAgeS),
  };
}

/** Marks an answer as one that the page that asked may read, and every answer as one of several by origin. */
export function markAnswer(
  response: Response,
  request: Request,
  connection: Connection,
  rules: CrossOriginRules,
): void {
  if (connection.listener !== 'api' || rules.origins.length === 0) return;
  response.headers.append('Vary', 'Origin');
  const origin = request.headers.get('origin');
  if (origin === null || !rules.origins.includes(origin)) return;
  response.headers.set('Access-Control-Allow-Origin', origin);
  response.headers.set('Access-Control-Expose-Headers', shownHeaders);
}
