/** Nodes and their tokens, for operators. What nodes call themselves stands on their own listener (node-app.ts). */
import { page } from '@labmesh/store/page';
import type { Store } from '@labmesh/store/store';
import type { Clock } from '@labmesh/kit/clock';
import type { Verb } from '@labmesh/wire/fleet/access-words';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { OperationOf } from '@labmesh/wire/fleet/operations';
import type { NodeLiveness } from '@labmesh/wire/fleet/resources/nodes';
import type { Policies } from '../../access/policies.ts';
import type { EventLog } from '../../events/event-log.ts';
import {
  findNode,
  listedNodes,
  type NodeWithPeer,
  offlineStales,
  presentDetail,
  presentNode,
} from '../../nodes/node-rows.ts';
import type { NodeServices } from '../../nodes/node-services.ts';
import type { Call, HandlersOf } from '../handler.ts';
import type { AnyCall } from '../handlers/server-handlers.ts';

type Names =
  | 'list-nodes'
  | 'get-node'
  | 'delete-node'
  | 'ban-node'
  | 'unban-node'
  | 'list-node-tokens'
  | 'create-node-token'
  | 'rotate-node-token'
  | 'revoke-node-token';

export type NodeHandlerParts = {
  store: Store;
  clock: Clock;
  policies: Policies;
  events: EventLog;
  nodes: NodeServices;
};

/** The node that a path names, and whether the caller may; an unknown name is judged like a known one. */
async function nodeFor(call: AnyCall, store: Store, verb: Verb): Promise<NodeWithPeer> {
  const ref = call.params['id'] ?? '';
  const node = await store.read(call.caller.principal, (db) => findNode(db, ref));
  call.may(verb, { kind: 'nodes', name: node?.name ?? ref });
  if (node === undefined) throw new FleetError('NOT_FOUND', { message: `there is no node ${ref.slice(0, 64)}` });
  call.note({ resource: `node/${node.name}`, resourceId: node.id });
  return node;
}

/** Of the time a node was last heard, for each status; both ends in Unix ms. */
function heardWithin(status: Exclude<NodeLiveness, 'banned'>, now: number, staleMs: number): [number, number] {
  const [stale, offline] = [now - staleMs, now - offlineStales * staleMs];
  if (status === 'online') return [stale, Number.MAX_SAFE_INTEGER];
  return status === 'stale' ? [offline, stale - 1] : [0, offline - 1];
}

async function listNodes(
  call: Call<OperationOf<'list-nodes'>>,
  { store, clock, policies, nodes: { staleMs } }: NodeHandlerParts,
) {
  const { limit, cursor, tenant, status, q } = call.query;
  const now = clock.wall();
  const allowed = policies.condition(call.subject, 'list', 'nodes').where({ name: 'nodes.name' });
  const found = await store.read(call.caller.principal, (db) => {
    let rows = listedNodes(db).where(allowed);
    if (tenant !== undefined) rows = rows.where('nodes.tenant', '=', tenant);
    if (q !== undefined) rows = rows.where('nodes.name', 'like', `%${q.toLowerCase().replace(/[%\\_]/g, '')}%`);
    if (status === 'banned') rows = rows.where('nodes.state', '=', 'banned');
    else if (status !== undefined) {
      const [from, to] = heardWithin(status, now, staleMs);
      rows = rows.where('nodes.state', '!=', 'banned');
      rows = rows.where((on) => on.between(on.fn.coalesce('nodes.last_seen_at', on.val(0)), from, to));
    }
    return page(rows, { list: 'nodes', by: [{ column: 'nodes.name', type: 'text' }], limit, cursor });
  });
  return { items: found.items.map((row) => presentNode(row, now, staleMs)), nextCursor: found.nextCursor };
}

function tokenHandlers({
  nodes: { tokens },
}: NodeHandlerParts): HandlersOf<Extract<Names, `${string}-token${string}`>> {
  return {
    'list-node-tokens': (call) => tokens.list(call.caller, call.query),
    'create-node-token': async (call) => {
      const made = await tokens.create(call.caller, call.body);
      const { tenant, region, ttlMs, allowRekey } = call.body;
      call.note({
        resource: `node-token/${made.prefix}`,
        resourceId: made.id,
        details: { tenant, region, ttlMs, allowRekey },
      });
      return made;
    },
    'rotate-node-token': async (call) => {
      const made = await tokens.rotate(call.caller, call.params['id'] ?? '');
      call.note({ resource: `node-token/${made.prefix}`, resourceId: made.id, details: { nodeId: made.nodeId } });
      return made;
    },
    'revoke-node-token': async (call) => {
      const token = await tokens.revoke(call.caller, call.params['id'] ?? '');
      call.note({ resource: `node-token/${token.prefix}`, resourceId: token.id });
      return token;
    },
  };
}

export function nodeHandlers(parts: NodeHandlerParts): HandlersOf<Names> {
  const { store, clock, events, nodes } = parts;
  const { lifecycle, staleMs } = nodes;
  return {
    ...tokenHandlers(parts),
    'list-nodes': (call) => listNodes(call, parts),
    'get-node': async (call) => presentDetail(await nodeFor(call, store, 'get'), clock.wall(), staleMs),
    'delete-node': async (call) => {
      const { id, name } = await nodeFor(call, store, 'delete');
      await lifecycle.remove(call.caller, id);
      events.emit('node-removed', 'node', id, { name });
      return { ok: true };
    },
    'ban-node': async (call) => {
      const { id, name } = await nodeFor(call, store, 'ban');
      call.note({ details: { reason: call.body.reason } });
      const row = await lifecycle.ban(call.caller, id);
      events.emit('node-banned', 'node', id, { name, reason: call.body.reason });
      return presentNode(row, clock.wall(), staleMs);
    },
    'unban-node': async (call) => {
      const { id } = await nodeFor(call, store, 'ban');
      return presentNode(await lifecycle.unban(call.caller, id), clock.wall(), staleMs);
    },
  };
}
