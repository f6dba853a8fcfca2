/** WebSocket upgrades (LD-2, LD-5): who may open which socket on which door, and what answers it. */
import type { IncomingMessage } from 'node:http';
import type { Logger } from '@labmesh/kit/log';
import { offeredSubprotocol, upgradeToFrames } from '@labmesh/link/ws-socket';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { OpenKind } from '@labmesh/wire/frame/open';
import { ticketPattern } from '@labmesh/wire/fleet/login';
import { cleanRequestId } from '@labmesh/wire/ids';
import type { Connection } from './api/connection.ts';
import { asFleetError } from './api/dispatch.ts';
import { identify, type Identified, type IdentifyParts, strangerAt } from './api/identify.ts';
import { rawErrorAnswer } from './api/edge/raw-answer.ts';
import { guardRequest } from './api/request-guard.ts';
import type { Core } from './core.ts';
import { addressKey } from './limits/address-key.ts';
import { rateLimited } from './limits/rate-limiter.ts';

type RawSocket = IncomingMessage['socket'];

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

const lingerMs = 1_000;
const idAsName = (_kind: string, id: string) => Promise.resolve(id);

function refuse(socket: RawSocket, error: FleetError, requestId: string): void {
  socket.end(rawErrorAnswer(error, requestId));
  // Whoever was refused may not hold the connection by never closing its side.
  setTimeout(() => socket.destroy(), lingerMs).unref();
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
  const { user: principal, groups, id: session, expiresAt } = login;
  return { ...caller, principal, groups, session, expiresAt, method: 'session' };
}

async function admit(request: IncomingMessage, connection: Connection, known: Incoming, parts: UpgradeParts) {
  const { core, identifyParts, guard, isStopping } = parts;
  const { headers, requestId } = known;
  if (isStopping()) throw new FleetError('SHUTTING_DOWN');
  if (connection.listener !== 'socket') guardRequest(request.url ?? '/', headers, guard);
  // Agents are known by their id; looking up a name for each of a rack that comes back would be for nothing.
  const named = connection.listener === 'agent' ? { ...identifyParts, nameOf: idAsName } : identifyParts;
  const caller = await byTicket(request, await identify(connection, headers, requestId, named), core);
  if (caller.isExpired === true) throw new FleetError('UNAUTHENTICATED', { message: 'this certificate has expired' });
  core.denyList.assertFresh();
  return caller;
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
    if (kind === 'bastion') return (socket) => core.bastions.accept(socket, identity);
    return path === '/ws/peer'
      ? (socket) => core.peers.accept(socket, identity)
      : (socket) => core.hub.accept(socket, identity, connection.remoteAddress);
  }
  if (kind !== 'user' && kind !== 'local' && kind !== 'service') throw new FleetError('PERMISSION_DENIED');
  return (socket) => core.clients.accept(socket, caller, clientPaths[path]);
}

/** Who speaks a labmesh of another time, and none that we know, hears so before a socket opens (HB-3). */
function assertVersion(request: IncomingMessage): void {
  const isOurs = /(^|,)\s*labmesh\./.test(request.headers['sec-websocket-protocol'] ?? '');
  if (isOurs && offeredSubprotocol(request) === undefined) throw new FleetError('VERSION_UNSUPPORTED');
}

type Incoming = { headers: Headers; requestId: string };

/** A refusal as a row; of strangers only so many a minute, as for calls (RL-1). */
async function refusalOf(error: FleetError, caller: Identified, core: Core): Promise<FleetError> {
  const isDenied = error.status === 401 || error.status === 403;
  if (!isDenied && error.code !== 'WRONG_LISTENER' && error.code !== 'NOT_FOUND') return error;
  const { principal, sourceIp, requestId } = caller;
  if (principal.kind !== 'local') {
    const found = await core.limiter.take('anonymous', addressKey(sourceIp));
    if (!found.allowed) return rateLimited(found);
  }
  const { code } = error;
  core.audit.note({ principal, phase: 'single', action: 'open-socket', sourceIp, requestId, result: 'denied', code });
  return error;
}

/** Answers an upgrade request, with a socket or with the error's status. */
export async function upgrade(
  request: IncomingMessage,
  socket: RawSocket,
  head: Buffer,
  connection: Connection,
  parts: UpgradeParts,
): Promise<void> {
  const { core, identifyParts, log } = parts;
  // Until a WebSocket or the answer is there, nobody else hears that the other side is gone.
  socket.on('error', () => {});
  const headers = headersOf(request);
  const requestId = cleanRequestId(headers.get('x-request-id') ?? undefined);
  let caller = strangerAt(connection, headers, requestId, identifyParts);
  try {
    const [path = '/'] = (request.url ?? '/').split('?');
    caller = await admit(request, connection, { headers, requestId }, parts);
    const placed = place(path, caller, connection, core);
    assertVersion(request);
    upgradeToFrames(request, socket, head, placed);
  } catch (error) {
    refuse(socket, await refusalOf(asFleetError(error, log, requestId), caller, core), requestId);
  }
}
