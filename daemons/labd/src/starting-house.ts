import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { requestId } from '@labmesh/wire/ids';
import type { Fetch } from './api/app.ts';
import type { House } from './doors.ts';

/** Health before there is a database (LD-7). */
const waiting: Fetch = (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === '/healthz') return new Response('ok');
  if (pathname === '/health/live') return Response.json({ status: 'ok' });
  const checks = { database: 'down', migrations: 'down', ca: 'down', audit: 'down' };
  if (pathname === '/health/ready') return Response.json({ status: 'down', checks }, { status: 503 });
  return Response.json(fleetErrorBody(new FleetError('STORE_UNAVAILABLE'), requestId()), {
    status: 503,
    headers: { 'Retry-After': '2' },
  });
};

const busy = 'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n\r\n';

/** What is behind the doors until the database is there: nobody can be known yet. */
export const startingHouse: House = {
  fetch: waiting,
  nodes: waiting,
  upgrade: (_request, socket) => void socket.end(busy),
  verify: undefined,
  retryAfterS: () => 1,
};
