import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { cleanRequestId } from '@labmesh/wire/ids';
import type { Fetch } from './api/app.ts';
import { rawErrorAnswer } from './api/edge/raw-answer.ts';
import type { House } from './doors.ts';

const away = () => new FleetError('STORE_UNAVAILABLE');

function answerTo(path: string, id: string): Response {
  if (path === '/healthz') return new Response('ok');
  if (path === '/health/live') return Response.json({ status: 'ok' });
  const checks = { database: 'down', migrations: 'down', ca: 'down', audit: 'down' };
  if (path === '/health/ready') return Response.json({ status: 'down', checks }, { status: 503 });
  const headers = { 'Retry-After': '2' };
  return Response.json(fleetErrorBody(away(), id), { status: 503, headers });
}

/** Health before there is a database (LD-7). */
const waiting: Fetch = (request) => {
  const id = cleanRequestId(request.headers.get('x-request-id') ?? undefined);
  const response = answerTo(new URL(request.url).pathname, id);
  response.headers.set('X-Request-Id', id);
  response.headers.set('Cache-Control', 'no-store');
  return response;
};

/** What is behind the doors until the database is there: nobody can be known yet. */
export const startingHouse: House = {
  fetch: waiting,
  nodes: waiting,
  upgrade: ({ headers }, socket) => {
    const given = headers['x-request-id'];
    socket.end(rawErrorAnswer(away(), cleanRequestId(typeof given === 'string' ? given : undefined)));
  },
  verify: undefined,
  retryAfterS: () => 1,
};
