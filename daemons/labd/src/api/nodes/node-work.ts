/** What the calls of nodes do. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { EventLog } from '../../events/event-log.ts';
import { type LimitName, rateLimited, type RateLimiter } from '../../limits/rate-limiter.ts';
import type { NodeKeys } from '../../nodes/node-keys.ts';
import type { NodeServices } from '../../nodes/node-services.ts';
import { parseInput, readJsonBody } from '../read-input.ts';
import type { NodeAppParts, NodeCall } from './node-app.ts';
import { beatNode, registerNode } from './node-routes.ts';

export type NodeWorkParts = { nodes: NodeServices; limiter: RateLimiter; events: EventLog };

type Token = Awaited<ReturnType<NodeServices['registry']['token']>>;

const principalOf = (id: string, name: string): Principal => ({ kind: 'node', id, name });

/** Names of details that the audit log does not take for secrets: these keys are public. */
const shownKeys = ({ wireguard, rosenpass }: NodeKeys) => ({ wireguard, rosenpass });

/** The token's row, counted against its limit. A token that is bound is its node from here on. */
async function known(
  call: NodeCall,
  text: string,
  limit: LimitName,
  { nodes, limiter }: NodeWorkParts,
): Promise<Token> {
  const token = await nodes.registry.token(text);
  call.note({ resource: `node-token/${token.prefix}`, resourceId: token.id });
  if (token.node_id !== null) call.callerIs(principalOf(token.node_id, token.name ?? token.prefix));
  const found = await limiter.take(limit, token.id);
  if (!found.allowed) throw rateLimited(found);
  return token;
}

async function register(call: NodeCall, parts: NodeWorkParts) {
  const { nodes, events } = parts;
  const body = parseInput(registerNode.body, await readJsonBody(call.request, registerNode.bodyBytesMax));
  const { prefix } = await known(call, body.token, 'node-register', parts);
  const told = { prefix, version: body.node_info.version };
  const done = await nodes.registry.register(body, ({ id, name }, was, found) => {
    const details = { ...told, was: shownKeys(was), found: shownKeys(found) };
    call.note({ resource: `node/${name}`, resourceId: id, details });
  });
  if (done.node !== undefined && done.keys !== undefined) {
    const { id, name } = done.node;
    call.callerIs(principalOf(id, name));
    const changed = done.was !== undefined && { was: shownKeys(done.was) };
    const details = { ...told, isNew: done.isNew, ...shownKeys(done.keys), ...changed };
    call.note({ resource: `node/${name}`, resourceId: id, details });
    if (done.isNew || done.was !== undefined) events.emit('node-registered', 'node', id, { name, isNew: done.isNew });
  }
  return done.answer;
}

/** N5 has no place for a token in its body: it comes as on the link (W2). @throws FleetError UNAUTHENTICATED. */
function bearerOf(request: Request): string {
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (bearer === undefined)
    throw new FleetError('UNAUTHENTICATED', { message: 'the node token is missing: Authorization: Bearer lmn_…' });
  return bearer;
}

async function beat(call: NodeCall, parts: NodeWorkParts) {
  // The token stands in the head: a stranger's body is not read.
  const token = await known(call, bearerOf(call.request), 'node-heartbeat', parts);
  const body = parseInput(beatNode.body, await readJsonBody(call.request, beatNode.bodyBytesMax));
  return parts.nodes.heartbeats.beat(token, body);
}

export const nodeWork = (parts: NodeWorkParts): NodeAppParts['work'] => ({
  'register-node': (call) => register(call, parts),
  'beat-node': (call) => beat(call, parts),
});
