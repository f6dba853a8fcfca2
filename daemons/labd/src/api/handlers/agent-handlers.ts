/** What changes who a machine is: approve, remove, ban, retire; and which version it should run. */
import type { Verb } from '@labmesh/wire/fleet/access-words';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Policies } from '../../access/policies.ts';
import type { EventLog } from '../../events/event-log.ts';
import { approveAgent, deleteAgent, type LifecycleParts, retireServer } from '../../enrol/agent-lifecycle.ts';
import { banServer, unbanServer } from '../../enrol/ban.ts';
import { type FleetServer, type FleetView, showAgent, showServer } from '../../hub/fleet-view.ts';
import type { AgentUpdates } from '../../reconcile/agent-updates.ts';
import type { HandlersOf } from '../handler.ts';
import { type AnyCall, fleetFilter, serverFor } from './server-handlers.ts';

type Names =
  | 'delete-server'
  | 'ban-server'
  | 'unban-server'
  | 'list-agents'
  | 'get-agent'
  | 'delete-agent'
  | 'approve-agent'
  | 'update-agent'
  | 'pin-agent'
  | 'update-agents'
  | 'list-rollouts';

export type AgentHandlerParts = {
  view: FleetView;
  policies: Policies;
  events: EventLog;
  people: { lifecycle: LifecycleParts };
  updates: AgentUpdates;
};

/** The server of an agent that a path names, by agent id, server id or host name. */
async function agentFor(
  call: AnyCall,
  { view }: Pick<AgentHandlerParts, 'view'>,
  verb: Verb,
): Promise<FleetServer & { agentId: string }> {
  const id = call.params['id'] ?? '';
  const server = await view.find(call.caller.principal, id);
  call.may(verb, { kind: 'agents', name: server?.row.hostname ?? id, labels: server?.targetLabels ?? {} });
  if (server === undefined || server.row.agentId === null)
    throw new FleetError('NOT_FOUND', { message: `there is no agent ${id}` });
  call.note({ resource: `agent/${server.row.hostname}`, resourceId: server.row.agentId });
  return { ...server, agentId: server.row.agentId };
}

const pinned = (hostname: string, version: string) =>
  new FleetError('CONFLICT', {
    message: `agent/${hostname} is pinned to ${version}`,
    hint: `labctl agents pin ${hostname} --off`,
  });

export function agentHandlers(parts: AgentHandlerParts): HandlersOf<Names> {
  const { view, policies, people, events, updates } = parts;
  const { lifecycle } = people;
  const listed = (subject: Parameters<Policies['condition']>[0]) => policies.condition(subject, 'list', 'agents');
  return {
    'delete-server': async (call) => {
      const { row } = await serverFor(call, view, 'delete');
      await retireServer(call.caller, row.id, lifecycle);
      events.emit('agent-removed', 'server', row.id, { hostname: row.hostname });
      return { ok: true };
    },
    'ban-server': async (call) => {
      const { row } = await serverFor(call, view, 'ban');
      await banServer(call.caller, row.id, lifecycle, call.body.reason);
      call.note({ details: { reason: call.body.reason } });
      return showServer(await view.get(call.caller.principal, row.id));
    },
    'unban-server': async (call) => {
      const { row } = await serverFor(call, view, 'ban');
      await unbanServer(call.caller, row.id, lifecycle);
      return showServer(await view.get(call.caller.principal, row.id));
    },
    'list-agents': async (call) => {
      const filter = fleetFilter(call, policies, 'agents');
      const page = await view.page(call.caller.principal, filter, call.query.limit, call.query.cursor);
      return {
        items: page.items.filter(({ row }) => row.agentId !== null).map(showAgent),
        nextCursor: page.nextCursor,
      };
    },
    'get-agent': async (call) => showAgent(await agentFor(call, parts, 'get')),
    'delete-agent': async (call) => {
      const { agentId, row } = await agentFor(call, parts, 'delete');
      await deleteAgent(call.caller, agentId, lifecycle);
      events.emit('agent-removed', 'server', row.id, { hostname: row.hostname });
      return { ok: true };
    },
    'approve-agent': async (call) => {
      const { agentId } = await agentFor(call, parts, 'approve');
      await approveAgent(call.caller, agentId, lifecycle);
      return showAgent(await view.get(call.caller.principal, agentId));
    },
    'update-agent': async (call) => {
      const { agentId, row } = await agentFor(call, parts, 'update');
      const version = call.body.version ?? row.previous_version;
      if (version === null) throw new FleetError('CONFLICT', { message: 'no earlier version of this agent is known' });
      if (row.pin !== null && row.pin !== version) throw pinned(row.hostname, row.pin);
      await updates.wish(call.caller.principal, agentId, { version, now: call.body.now });
      call.note({ details: { version, now: call.body.now } });
      return showAgent(await view.get(call.caller.principal, agentId));
    },
    'pin-agent': async (call) => {
      const { agentId } = await agentFor(call, parts, 'update');
      await updates.pin(call.caller.principal, agentId, call.body.version);
      call.note({ details: { version: call.body.version } });
      return showAgent(await view.get(call.caller.principal, agentId));
    },
    'update-agents': async (call) => {
      const may = policies.condition(call.subject, 'update', 'agents');
      await updates.startRollout(call.caller.principal, may, call.body);
      call.note({ resource: `ring/${call.body.ring ?? '*'}`, details: call.body });
      return { items: await updates.rollouts(call.caller.principal, listed(call.subject)) };
    },
    'list-rollouts': async (call) => ({ items: await updates.rollouts(call.caller.principal, listed(call.subject)) }),
  };
}
