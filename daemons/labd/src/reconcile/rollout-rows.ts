/** Rollouts that stand, one a ring, in one row of table settings; and the agents they are about. */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Reader, Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, principalText } from '@labmesh/wire/fleet/principal';
import { releaseVersionField } from '@labmesh/wire/fleet/releases';
import { startRolloutSchema } from '@labmesh/wire/fleet/resources/rollouts';
import { z } from 'zod';
import type { Condition } from '../access/condition.ts';
import type { PlannedAgent } from './rollout-plan.ts';
import { badVersionsOf } from './wishes.ts';

const key = 'agent-rollouts';
const rolloutsMax = 64;

const rowSchema = startRolloutSchema.required({ ring: true }).extend({
  version: releaseVersionField,
  /** Null: every agent that no other rollout's ring names. */
  ring: z.string().nullable(),
  startedAt: z.int(),
  startedBy: z.string(),
});
export type RolloutRow = z.infer<typeof rowSchema>;

/** An agent with the ring that its server's label names (the operator's label, never one that an agent reports). */
export type RingAgent = PlannedAgent & { ring: string | null };

/** All that stand, in the order of their rings. */
export async function readRollouts(db: Reader): Promise<RolloutRow[]> {
  const row = await db.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirst();
  return row === undefined ? [] : z.array(rowSchema).parse(parseJson(row.value));
}

/**
 * Puts a rollout in the place of the one of its ring; null as version only takes that away. `may`: the caller's right to
 * update agents, which has to hold for each that the ring has now (RB-5).
 * @throws FleetError PERMISSION_DENIED, CONFLICT.
 */
export async function saveRollout(
  store: Store,
  principal: Principal,
  may: Condition,
  wanted: z.output<typeof startRolloutSchema>,
): Promise<void> {
  const { version, ...rest } = wanted;
  const ring = wanted.ring ?? null;
  const now = store.clock.wall();
  await store.write(principal, async (tx) => {
    const others = (await readRollouts(tx)).filter((one) => one.ring !== ring);
    await refuseBarred(tx, may, { ring }, others);
    const own =
      version === null ? [] : [{ ...rest, version, ring, startedAt: now, startedBy: principalText(principal) }];
    const all = [...others, ...own].toSorted((a, b) => ((a.ring ?? '') < (b.ring ?? '') ? -1 : 1));
    if (all.length > rolloutsMax)
      throw new FleetError('CONFLICT', {
        message: `${rolloutsMax} rings have a rollout already`,
        hint: 'labctl agents update --ring RING --stop',
      });
    const row = { key, value: JSON.stringify(all), updated_at: now };
    await tx
      .insertInto('settings')
      .values(row)
      .onConflict((on) => on.column('key').doUpdateSet({ value: row.value, updated_at: now }))
      .execute();
  });
}

/** No agent of the ring is named: who may not update it may not list it, either, for all we know (AP-3). */
async function refuseBarred(
  db: Reader,
  may: Condition,
  rollout: Pick<RolloutRow, 'ring'>,
  others: readonly RolloutRow[],
): Promise<void> {
  const allowed = await visibleAgents(db, may);
  if (allowed === undefined) return;
  const its = agentsOf(rollout, [...others, rollout], await readAgents(db, () => false));
  if (its.every(({ id }) => allowed.has(id))) return;
  const what = rollout.ring === null ? 'it' : `the ring ${rollout.ring}`;
  throw new FleetError('PERMISSION_DENIED', {
    message: `update on agents denied: ${what} holds agents that you may not update`,
    hint: 'labctl agents update --ring RING with a ring of agents that you may update',
  });
}

/** Agents that a right of the caller holds for, by id; undefined: all of them (AP-3). */
export async function visibleAgents(db: Reader, may: Condition): Promise<ReadonlySet<string> | undefined> {
  if (may.all) return undefined;
  const rows = await db
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .select('agents.id')
    .where(may.where({ name: 'servers.hostname', server: 'servers' }))
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** Every agent that may be updated at all: those of active servers. `isLive` knows the replicas. */
export async function readAgents(db: Reader, isLive: (replicaId: string) => boolean): Promise<RingAgent[]> {
  const rows = await db
    .selectFrom('agents')
    .innerJoin('servers', 'servers.id', 'agents.server_id')
    .leftJoin('agent_sessions', 'agent_sessions.agent_id', 'agents.id')
    .leftJoin('server_labels', (on) =>
      on
        .onRef('server_labels.server_id', '=', 'servers.id')
        .on('server_labels.key', '=', 'ring')
        .on('server_labels.source', '!=', 'agent'),
    )
    .select(['agents.id', 'agents.version', 'agents.pin', 'agents.bad_versions', 'agents.update_state', 'agents.ring'])
    .select([
      'agents.desired_version',
      'servers.hostname',
      'servers.last_seen_at',
      'server_labels.value',
      'agent_sessions.replica_id',
    ])
    .where('servers.status', '=', 'active')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    hostname: row.hostname,
    version: row.version,
    pin: row.pin,
    badVersions: badVersionsOf(row.bad_versions),
    desired: row.desired_version,
    updateState: row.update_state,
    isUp: row.replica_id !== null && isLive(row.replica_id),
    lastSeenAt: row.last_seen_at,
    ring: row.ring ?? row.value,
  }));
}

/** The agents of each rollout: those of its ring; for the one without a ring, those that no other rollout names. */
export function agentsOf(
  rollout: Pick<RolloutRow, 'ring'>,
  all: readonly Pick<RolloutRow, 'ring'>[],
  agents: readonly RingAgent[],
): RingAgent[] {
  if (rollout.ring !== null) return agents.filter(({ ring }) => ring === rollout.ring);
  const named = new Set(all.map(({ ring }) => ring));
  return agents.filter(({ ring }) => ring === null || !named.has(ring));
}
