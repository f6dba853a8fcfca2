/** WebSocket upgrades (LD-2, LD-5): who may open which socket on which door, and what answers it. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@labmesh/kit/log';
import { upgradeToFrames } from '@labmesh/link/ws-socket';
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import type { OpenKind } from '@labmesh/wire/frame/open';
import { ticketPattern } from '@labmesh/wire/fleet/login';
import { requestId as newRequestId } from '@labmesh/wire/ids';
import type { Connection } from './api/connection.ts';
import { asFleetError } from './api/dispatch.ts';
import { identify, type Identified, type IdentifyParts } from './api/identify.ts';
import { guardRequest } from './api/request-guard.ts';
import type { Core } from './core.ts';

export type UpgradeParts = {
  core: Core;
  identifyParts: IdentifyParts;
  guard: { hosts: ReadonlySet<string>; origins: readonly string[] };
  isStopping: () => boolean;
  log: Logger;
};

/** Client sockets by path, and the kinds they take. */
const clientPaths: Readonly<Record<string, readonly OpenKind[] | undefined>> = {
  '/ws/client': undefined,
  '/ws/exec': ['exec', 'attach'],
  '/ws/logs': ['logs'],
};

function refuse(socket: Duplex, error: FleetError, requestId: string): void {
  const body = JSON.stringify(fleetErrorBody(error, requestId));
  const retry =
    error.retryAfterMs === undefined ? '' : `Retry-After: ${Math.max(1, Math.ceil(error.retryAfterMs / 1000))}\r\n`;
  const head = `HTTP/1.1 ${error.status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  socket.end(`${head}${retry}X-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`);
}

const headersOf = (request: IncomingMessage): Headers => {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') headers.set(name, value);
  }
  return headers;
};

/** A browser cannot set headers: it shows a one-use ticket as second subprotocol (LD-5). */
async function byTicket(request: IncomingMessage, caller: Identified, core: Core): Promise<Identified> {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  const ticket = offered.find((one) => ticketPattern.test(one));
  if (caller.principal.kind !== 'anonymous' || ticket === undefined) return caller;
  const login = await core.people.tickets.redeem(ticket);
  if (login === undefined) throw new FleetError('UNAUTHENTICATED', { message: 'this ticket is used or too old' });
  return { ...caller, principal: login.user, groups: login.groups, session: login.id, method: 'session' };
}

async function admit(request: IncomingMessage, connection: Connection, requestId: string, parts: UpgradeParts) {
  const { core, identifyParts, guard, isStopping } = parts;
  const path = new URL(request.url ?? '/', 'https://labd').pathname;
  const headers = headersOf(request);
  if (isStopping()) throw new FleetError('SHUTTING_DOWN');
  if (connection.listener !== 'socket') guardRequest(request.url ?? '/', headers, guard);
  core.denyList.assertFresh();
  const caller = await byTicket(request, await identify(connection, headers, requestId, identifyParts), core);
  if (caller.isExpired === true) throw new FleetError('UNAUTHENTICATED', { message: 'this certificate has expired' });
  return { path, caller };
}

function place(
  path: string,
  caller: Identified,
  connection: Connection,
  core: Core,
): (socket: Parameters<Parameters<typeof upgradeToFrames>[3]>[0]) => void {
  const { kind } = caller.principal;
  const { peer, listener } = connection;
  const isAgentPath = path === '/ws/agent' || path === '/ws/peer';
  if (!isAgentPath && !Object.hasOwn(clientPaths, path)) throw new FleetError('NOT_FOUND');
  if (isAgentPath && listener !== 'agent') throw new FleetError('WRONG_LISTENER');
  if (!isAgentPath && listener === 'agent') throw new FleetError('NOT_FOUND');
  if (kind === 'anonymous') throw new FleetError('UNAUTHENTICATED');
  if (isAgentPath) {
    const wanted = path === '/ws/peer' ? ['labd'] : ['agent', 'bastion'];
    if (peer.state !== 'known' || !wanted.includes(kind)) throw new FleetError('PERMISSION_DENIED');
    const { identity } = peer;
    return path === '/ws/peer'
      ? (socket) => core.peers.accept(socket)
      : (socket) => core.hub.accept(socket, identity, connection.remoteAddress);
  }
  if (kind !== 'user' && kind !== 'local' && kind !== 'service') throw new FleetError('PERMISSION_DENIED');
  return (socket) => core.clients.accept(socket, caller, clientPaths[path]);
}

/** Answers an upgrade request, with a socket or with the error's status. */
export async function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  connection: Connection,
  parts: UpgradeParts,
): Promise<void> {
  const requestId = newRequestId();
  try {
    const { path, caller } = await admit(request, connection, requestId, parts);
    const take = place(path, caller, connection, parts.core);
    upgradeToFrames(request, socket, head, take);
  } catch (error) {
    const known = asFleetError(error, parts.log, requestId);
    if (known.status === 401 || known.status === 403) {
      const action = 'open-socket';
      const principal = { kind: 'anonymous', id: '', name: connection.peer.state } as const;
      parts.core.audit.note({
        principal,
        phase: 'single',
        action,
        sourceIp: connection.remoteAddress,
        requestId,
        result: 'denied',
        code: known.code,
      });
    }
    refuse(socket, known, requestId);
  }
}
