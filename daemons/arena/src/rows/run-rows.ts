/**
 * Rows of runs (AR16). One process holds a run by a lease of 60 s; what is written for a run goes through `holdRun`,
 * so that a holder that stalled past its lease and lost it writes nothing any more.
 */
import { sharedNow } from '@labmesh/store/lease';
import type { Store, Writer } from '@labmesh/store/store';
import { ApiError } from '@labmesh/wire/errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { type RunOffer, runOfferSchema } from '@labmesh/wire/verification/arena-run';
import type { Outcome } from '@labmesh/wire/verification/verdict';
import type { VerificationMode, VerificationReport } from '@labmesh/wire/verification/verification-block';
import { type RawBuilder, sql } from 'kysely';
import type { RunFields, RunPlan } from './run-plan.ts';

export const leaseMs = 60_000;

export const runStates = [
  'queued',
  'generating',
  'verifying',
  'correcting',
  'judging',
  'certifying',
  'done',
  'failed',
] as const;
export type RunState = (typeof runStates)[number];

export type StoredFault = { code: string; message: string; retryAfterS: number | null };

export type StoredRun = {
  id: string;
  createdAt: number;
  tenant: string;
  key: string;
  requestId: string;
  mode: VerificationMode;
  state: RunState;
  priority: number;
  model: string;
  /** null when its texts were dropped. */
  offer: RunOffer | null;
  seed: number;
  plan: RunPlan | null;
  outcome: Outcome | null;
  chosen: number | null;
  certificateId: string | null;
  report: VerificationReport | null;
  error: StoredFault | null;
  tokensIn: number;
  tokensOut: number;
  costNano: number;
  deadlineAt: number;
  finishedAt: number | null;
  leaseOwner: string | null;
};

/** Another process holds the run now: this one lets go of it. */
export class LeaseLost extends Error {
  constructor() {
    super('another process holds this run');
    this.name = 'LeaseLost';
  }
}

const json = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));

type Selected = Awaited<ReturnType<typeof selectRun>>;

const selectRun = (tx: Writer, id: string) =>
  tx.selectFrom('arena_runs').selectAll().where('id', '=', id).executeTakeFirst();

export function storedRun(row: NonNullable<Selected>): StoredRun {
  return {
    id: row.id,
    createdAt: row.created_at,
    tenant: row.tenant,
    key: row.key_id,
    requestId: row.request_id,
    mode: row.mode as VerificationMode,
    state: row.state as RunState,
    priority: row.priority,
    model: row.model,
    // Parsed again: it may have been written by a version before this one.
    offer: row.offer === null ? null : runOfferSchema.parse(JSON.parse(row.offer)),
    seed: row.seed,
    plan: json<RunPlan>(row.plan),
    outcome: row.outcome as Outcome | null,
    chosen: row.chosen,
    certificateId: row.certificate_id,
    report: json<VerificationReport>(row.report),
    error: json<StoredFault>(row.error),
    tokensIn: row.tokens_in,
    tokensOut: row.tokens_out,
    costNano: row.cost_nano,
    deadlineAt: row.deadline_at,
    finishedAt: row.finished_at,
    leaseOwner: row.lease_owner,
  };
}

export type RunLimits = { tenantRuns: number; queueRuns: number };

async function count(tx: Writer, tenant?: string): Promise<number> {
  let query = tx
    .selectFrom('arena_runs')
    .select((row) => row.fn.countAll<number>().as('n'))
    .where('finished_at', 'is', null);
  if (tenant !== undefined) query = query.where('tenant', '=', tenant);
  return (await query.executeTakeFirstOrThrow()).n;
}

/**
 * Adds a run that `owner` holds, or gives the one that this tenant's request made before.
 *
 * @throws ApiError arena_busy when the tenant, or all of them, have as many unfinished runs as they may.
 */
export function addRun(
  principal: Principal,
  store: Store,
  run: RunFields,
  owner: string,
  limits: RunLimits,
): Promise<{ run: StoredRun; added: boolean }> {
  return store.write(principal, async (tx) => {
    const known = await tx
      .selectFrom('arena_runs')
      .selectAll()
      .where('tenant', '=', run.tenant)
      .where('request_id', '=', run.request_id)
      .executeTakeFirst();
    if (known !== undefined) return { run: storedRun(known), added: false };
    if ((await count(tx, run.tenant)) >= limits.tenantRuns) {
      const message = `this tenant has ${limits.tenantRuns} runs that have not ended, as many as it may`;
      throw new ApiError('arena_busy', { message });
    }
    if ((await count(tx)) >= limits.queueRuns) throw new ApiError('arena_busy');
    await tx
      .insertInto('arena_runs')
      .values({ ...run, lease_owner: owner, lease_until: sql<number>`${sharedNow(store)} + ${sql.lit(leaseMs)}` })
      .execute();
    return { run: storedRun((await selectRun(tx, run.id)) as NonNullable<Selected>), added: true };
  });
}

/** Nobody, a process whose time is up, or this very owner before it was started again. */
const isFree = (owner: string, now: RawBuilder<number>) =>
  sql<boolean>`(lease_owner is null or lease_owner = ${owner} or lease_until <= ${now})`;

/** Takes the lease of an unfinished run that no other holds; false when one does. */
export async function claimRun(principal: Principal, store: Store, id: string, owner: string): Promise<boolean> {
  const now = sharedNow(store);
  const taken = await store.write(principal, (tx) =>
    tx
      .updateTable('arena_runs')
      .set({ lease_owner: owner, lease_until: sql<number>`${now} + ${sql.lit(leaseMs)}` })
      .where('id', '=', id)
      .where('finished_at', 'is', null)
      .where(isFree(owner, now))
      .returning('id')
      .executeTakeFirst(),
  );
  return taken !== undefined;
}

/** Holds on to these runs of `owner` for another 60 s. @returns those that it holds; the others are lost to it. */
export async function renewRuns(
  principal: Principal,
  store: Store,
  ids: readonly string[],
  owner: string,
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await store.write(principal, (tx) =>
    tx
      .updateTable('arena_runs')
      .set({ lease_until: sql<number>`${sharedNow(store)} + ${sql.lit(leaseMs)}` })
      .where('id', 'in', ids)
      .where('lease_owner', '=', owner)
      .where('finished_at', 'is', null)
      .returning('id')
      .execute(),
  );
  return new Set(rows.map(({ id }) => id));
}

/** Gives up the leases of `owner`, so that another goes on at once. */
export async function releaseRuns(principal: Principal, store: Store, owner: string): Promise<void> {
  await store.write(principal, (tx) =>
    tx
      .updateTable('arena_runs')
      .set({ lease_owner: null, lease_until: null })
      .where('lease_owner', '=', owner)
      .where('finished_at', 'is', null)
      .execute(),
  );
}

/** Unfinished runs that no other holds, oldest first; those of `owner` among them. */
export function orphanedRuns(principal: Principal, store: Store, owner: string, limit: number): Promise<string[]> {
  const now = sharedNow(store);
  return store.read(principal, async (db) => {
    const rows = await db
      .selectFrom('arena_runs')
      .select('id')
      .where('finished_at', 'is', null)
      .where(isFree(owner, now))
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  });
}

/** @returns undefined when there is none with this id. */
export function readRun(principal: Principal, store: Store, id: string): Promise<StoredRun | undefined> {
  return store.read(principal, async (db) => {
    const row = await db.selectFrom('arena_runs').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : storedRun(row);
  });
}

/**
 * One transaction of the run's holder.
 * @throws LeaseLost when `owner` holds it no more.
 */
export function holdRun<T>(
  principal: Principal,
  store: Store,
  hold: { id: string; owner: string },
  work: (tx: Writer) => Promise<T>,
): Promise<T> {
  return store.write(principal, async (tx) => {
    const held = await tx
      .updateTable('arena_runs')
      .set((row) => ({ revision: row('revision', '+', 1) }))
      .where('id', '=', hold.id)
      .where('lease_owner', '=', hold.owner)
      .where('finished_at', 'is', null)
      .returning('id')
      .executeTakeFirst();
    if (held === undefined) throw new LeaseLost();
    return work(tx);
  });
}
