/** Servers: lists, labels, which ones a command means. What changes who a machine is stands in agent-handlers. */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Store, Writer } from '@labmesh/store/store';
import type { Verb } from '@labmesh/wire/fleet/access-words';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { sql } from 'kysely';
import { selectorSql } from '../../access/condition.ts';
import type { Limit, Policies } from '../../access/policies.ts';
import { parseSelector } from '../../access/rules/selector.ts';
import { type FleetFilter, type FleetServer, type FleetView, showServer } from '../../hub/fleet-view.ts';
import type { Call, HandlersOf } from '../handler.ts';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { OperationOf } from '@labmesh/wire/fleet/operations';

export type ServerHandlerParts = { store: Store; view: FleetView; policies: Policies };

/** What every call has, whatever its operation. */
export type AnyCall = Pick<Call<FleetOperation>, 'caller' | 'params' | 'may' | 'note'>;

type Names = 'list-servers' | 'get-server' | 'patch-server' | 'resolve-servers' | 'get-facts';

/** Finds the thing a path names and asks whether the caller may. */
export async function serverFor(call: AnyCall, view: FleetView, verb: Verb): Promise<FleetServer> {
  const server = await view.find(call.caller.principal, call.params['id'] ?? '');
  // An unknown name is judged like a known one: who may not look learns nothing.
  call.may(verb, {
    kind: 'servers',
    name: server?.row.hostname ?? call.params['id'] ?? '',
    labels: server?.targetLabels ?? {},
  });
  if (server === undefined)
    throw new FleetError('NOT_FOUND', { message: `there is no server ${call.params['id'] ?? ''}` });
  call.note({ resource: `server/${server.row.hostname}`, resourceId: server.row.id });
  return server;
}

async function saveLabels(tx: Writer, serverId: string, labels: Record<string, string | null>): Promise<void> {
  for (const [key, value] of Object.entries(labels)) {
    if (value === null) {
      await tx.deleteFrom('server_labels').where('server_id', '=', serverId).where('key', '=', key).execute();
      continue;
    }
    const row = { server_id: serverId, key, value, source: 'admin' };
    await tx
      .insertInto('server_labels')
      .values(row)
      .onConflict((on) => on.columns(['server_id', 'key']).doUpdateSet(row))
      .execute();
  }
}

async function patch(call: Call<OperationOf<'patch-server'>>, { store, view, policies }: ServerHandlerParts) {
  const server = await serverFor(call, view, 'update');
  const { labels = {}, revision, ...fields } = call.body;
  const { principal } = call.caller;
  // A change of labels must not lift the changer's own reach over it: judged before and after.
  const after = { ...server.targetLabels };
  for (const [key, value] of Object.entries({ ...labels, ...fields })) {
    if (value === null) delete after[key];
    else if (value !== undefined) after[key] = value;
  }
  call.may('update', { kind: 'servers', name: server.row.hostname, labels: after });
  await store.write(principal, async (tx) => {
    const changed = await tx
      .updateTable('servers')
      .set((eb) => ({ ...fields, revision: eb('revision', '+', 1) }))
      .where('id', '=', server.row.id)
      .where('revision', '=', revision ?? sql.ref<number>('revision'))
      .executeTakeFirst();
    if (changed.numUpdatedRows === 0n) throw new FleetError('STALE_REVISION');
    await saveLabels(tx, server.row.id, labels);
  });
  call.note({ details: { fields, labels } });
  await policies.reload();
  return showServer(await view.get(principal, server.row.id));
}

/** `?label=` as a condition beside the caller's rights. */
export function fleetFilter(
  call: Call<OperationOf<'list-servers' | 'list-agents'>>,
  policies: Policies,
  kind: 'servers' | 'agents',
): FleetFilter {
  const { environment, cloud, role, status, q, label } = call.query;
  const allowed = policies.condition(call.subject, 'list', kind).where({ name: 'servers.hostname', server: 'servers' });
  const wanted = label === undefined ? undefined : selectorSql(parseSelector(label, { facts: true }));
  const where = wanted === undefined ? allowed : sql<boolean>`(${allowed} and ${wanted})`;
  return { where, environment, cloud, role, status, q };
}

type ResolveCall = Call<OperationOf<'resolve-servers'>>;

/** The servers that a command names, by selector, by name, or all. */
async function wantedServers(
  call: ResolveCall,
  { view, policies }: ServerHandlerParts,
): Promise<{ found: FleetServer[]; unknown: string[] }> {
  const { selector, names, all } = call.body;
  if ((selector === undefined ? 0 : 1) + (names === undefined ? 0 : 1) + (all ? 1 : 0) !== 1) {
    throw new FleetError('VALIDATION_FAILED', { message: 'give a selector, names, or all' });
  }
  const visible = policies.condition(call.subject, 'list', 'servers').where();
  const { principal } = call.caller;
  if (names === undefined) {
    const wanted = selector === undefined ? undefined : selectorSql(parseSelector(selector, { facts: true }));
    const where = wanted === undefined ? visible : sql<boolean>`(${visible} and ${wanted})`;
    return { found: await view.all(principal, { where }), unknown: [] };
  }
  const hosts = [...new Set(names.map((name) => name.toLowerCase()))];
  const found = await view.all(principal, { where: visible, names: hosts });
  const known = new Set(found.map(({ row }) => row.hostname));
  return { found, unknown: hosts.filter((name) => !known.has(name)) };
}

async function resolve(call: ResolveCall, parts: ServerHandlerParts) {
  const { verb, account } = call.body;
  const limit: Limit | undefined = account === undefined ? undefined : { account };
  const { found, unknown } = await wantedServers(call, parts);
  const judged = found.map((server) => ({
    server,
    decision: parts.policies.decide(
      call.subject,
      verb,
      { kind: 'servers', name: server.row.hostname, labels: server.targetLabels },
      limit,
    ),
  }));
  call.note({ details: { verb, targets: judged.length } });
  return {
    targets: judged
      .filter(({ decision }) => decision.allowed)
      .map(({ server: { row, status } }) => ({
        id: row.id,
        hostname: row.hostname,
        status,
        lastSeenAt: timeTextOrNull(row.last_seen_at),
      })),
    denied: judged
      .filter(({ decision }) => !decision.allowed)
      .map(({ server, decision }) => ({ hostname: server.row.hostname, reason: decision.rule ?? 'no rule allows it' })),
    unknown,
  };
}

export function serverHandlers(parts: ServerHandlerParts): HandlersOf<Names> {
  const { view, policies } = parts;
  return {
    'list-servers': async (call) => {
      const page = await view.page(
        call.caller.principal,
        fleetFilter(call, policies, 'servers'),
        call.query.limit,
        call.query.cursor,
      );
      return { items: page.items.map(showServer), nextCursor: page.nextCursor };
    },
    'get-server': async (call) => showServer(await serverFor(call, view, 'get')),
    'patch-server': (call) => patch(call, parts),
    'resolve-servers': (call) => resolve(call, parts),
    'get-facts': async (call) => {
      const { row } = await serverFor(call, view, 'get');
      return (row.facts === null ? {} : (parseJson(row.facts) ?? {})) as Record<string, unknown>;
    },
  };
}
