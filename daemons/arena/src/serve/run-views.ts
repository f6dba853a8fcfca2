/** Runs as the API shows them (verification AR20, AR21): read from their rows, each question of one tenant. */
import { readCandidates, type StoredCandidate } from '../rows/candidate-rows.ts';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { TrajectoryLine, TrajectoryStatus } from '@labmesh/wire/verification/arena-views';
import { findRun } from '../rows/find-run.ts';
import { readLegs, type StoredLeg } from '../rows/match-rows.ts';
import { type StoredRun, storedRun } from '../rows/run-rows.ts';
import { sql } from 'kysely';

const who = system('arena-views');

/** A run that broke off, or checked nothing, is neither good nor bad (P4). */
export function statusOf({ state, outcome }: Pick<StoredRun, 'state' | 'outcome'>): TrajectoryStatus {
  if (state === 'failed') return 'inconclusive';
  if (state !== 'done') return 'pending';
  if (outcome === 'valid') return 'verified';
  return outcome === 'invalid' ? 'failed' : 'inconclusive';
}

type LineRun = Pick<StoredRun, 'id' | 'state' | 'outcome' | 'model' | 'mode' | 'createdAt' | 'certificateId'> & {
  messageCount: number | null;
  /** Of its error, or its report. */
  reason: string | null;
};

function line(run: LineRun, score: number | null): TrajectoryLine {
  const status = statusOf(run);
  return {
    id: run.id,
    status,
    model: run.model,
    createdAt: new Date(run.createdAt).toISOString(),
    mode: run.mode,
    score,
    certificateId: run.certificateId,
    messageCount: run.messageCount,
    ...(status !== 'verified' && run.reason !== null && { failureReason: run.reason }),
  };
}

const lineOf = (run: StoredRun): LineRun => ({
  ...run,
  messageCount: run.offer?.request.messages.length ?? null,
  reason: run.error?.message ?? run.report?.summary ?? null,
});

/** Read inside the database: offers and reports hold megabytes, and a page has 200 of them. */
function lineColumns({ engine }: Store) {
  const isPostgres = engine === 'postgres';
  return {
    messageCount: isPostgres
      ? sql<number | null>`json_array_length(offer::json -> 'request' -> 'messages')`
      : sql<number | null>`json_array_length(offer, '$.request.messages')`,
    reason: isPostgres
      ? sql<string | null>`coalesce(error::json ->> 'message', report::json ->> 'summary')`
      : sql<string | null>`coalesce(json_extract(error, '$.message'), json_extract(report, '$.summary'))`,
  };
}

const conditions: Readonly<Record<TrajectoryStatus, { state: string[]; outcome: string[] | null }>> = {
  verified: { state: ['done'], outcome: ['valid'] },
  failed: { state: ['done'], outcome: ['invalid'] },
  inconclusive: { state: ['done', 'failed'], outcome: ['inconclusive', 'unchecked'] },
  pending: { state: ['queued', 'generating', 'verifying', 'correcting', 'judging', 'certifying'], outcome: null },
};

/** Newest first. */
export async function listRuns(
  store: Store,
  tenant: string,
  { limit, offset, status }: { limit: number; offset: number; status: TrajectoryStatus | undefined },
): Promise<{ trajectories: TrajectoryLine[]; total: number }> {
  return await store.read(who, async (db) => {
    let query = db.selectFrom('arena_runs').where('tenant', '=', tenant);
    if (status !== undefined) {
      const { state, outcome } = conditions[status];
      query = query.where('state', 'in', state);
      if (outcome !== null) {
        const broken = status === 'inconclusive' ? (['state', '=', 'failed'] as const) : undefined;
        query = query.where((where) =>
          where.or([where('outcome', 'in', outcome), ...(broken === undefined ? [] : [where(...broken)])]),
        );
      }
    }
    const { total } = await query.select((row) => row.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
    const { messageCount, reason } = lineColumns(store);
    const rows = await query
      .select(['id', 'state', 'outcome', 'model', 'mode', 'chosen'])
      .select(['created_at as createdAt', 'certificate_id as certificateId'])
      .select([messageCount.as('messageCount'), reason.as('reason')])
      .orderBy('id', 'desc')
      .limit(limit)
      .offset(offset)
      .execute();
    const ids = rows.map(({ id }) => id);
    const scored =
      ids.length === 0
        ? []
        : await db
            .selectFrom('arena_candidates')
            .select(['run_id', 'idx', 'attempt', 'aggregate'])
            .where('run_id', 'in', ids)
            .where('aggregate', 'is not', null)
            .orderBy('attempt')
            .execute();
    const scoreOf = (id: string, chosen: number | null) => {
      const found = scored.findLast((one) => one.run_id === id && one.idx === chosen)?.aggregate;
      return found === undefined || found === null
        ? null
        : (JSON.parse(found) as { combinedScoreModifier: number }).combinedScoreModifier;
    };
    const trajectories = rows.map((row) => line(row as LineRun, scoreOf(row.id, row.chosen)));
    return { trajectories, total };
  });
}

export type RunDetail = {
  run: StoredRun;
  candidates: StoredCandidate[];
  legs: StoredLeg[];
};

/** Everything of one run, by its id or its request's; undefined when the tenant has none. */
export async function readDetail(store: Store, tenant: string, id: string): Promise<RunDetail | undefined> {
  const row = await findRun(store, tenant, id);
  if (row === undefined) return undefined;
  return await store.read(who, async (db) => ({
    run: storedRun(row),
    candidates: await readCandidates(db, row.id),
    legs: await readLegs(db, row.id),
  }));
}

const textOf = (message: ChatMessage | null) => (typeof message?.content === 'string' ? message.content : null);

function chosenScore({ run, candidates }: Pick<RunDetail, 'run' | 'candidates'>): number | null {
  const own = candidates.findLast(({ idx, aggregate }) => idx === run.chosen && aggregate !== null);
  return own?.aggregate?.combinedScoreModifier ?? null;
}

/** One run, whole, as JSON. */
export const detailView = ({ run, candidates, legs }: RunDetail) => ({
  ...line(lineOf(run), chosenScore({ run, candidates })),
  state: run.state,
  outcome: run.outcome,
  chosen: run.chosen,
  report: run.report,
  error: run.error,
  plan: run.plan,
  seed: run.seed,
  tokens: { input: run.tokensIn, output: run.tokensOut },
  costUsd: run.costNano / 1e9,
  finishedAt: run.finishedAt === null ? null : new Date(run.finishedAt).toISOString(),
  candidates: candidates.map(({ answer, aggregate, costNano, rollout: _, ...one }) => ({
    ...one,
    costUsd: costNano / 1e9,
    answer: textOf(answer),
    verdicts: aggregate?.results ?? [],
    scoreModifier: aggregate?.combinedScoreModifier ?? null,
  })),
  legs,
});

/** From a run's offer to its end, over all that ended of a tenant; null before the first. */
export async function averageRunMs(store: Store, tenant: string): Promise<number | null> {
  const { average } = await store.read(who, (db) =>
    db
      .selectFrom('arena_runs')
      .select(sql<number | null>`cast(avg(finished_at - created_at) as double precision)`.as('average'))
      .where('tenant', '=', tenant)
      .where('state', '=', 'done')
      .executeTakeFirstOrThrow(),
  );
  return average === null ? null : Math.round(average);
}

/** Figures over all runs of a tenant; unknown = null (AR20). */
export async function tenantStats(store: Store, tenant: string) {
  const averageLatencyMs = await averageRunMs(store, tenant);
  return await store.read(who, async (db) => {
    const runs = await db
      .selectFrom('arena_runs')
      .select(['state', 'outcome', (row) => row.fn.countAll<number>().as('n')])
      .where('tenant', '=', tenant)
      .groupBy(['state', 'outcome'])
      .execute();
    const countOf = async (table: 'arena_certificates' | 'arena_triplets') => {
      const counted = await db
        .selectFrom(table)
        .select((row) => row.fn.countAll<number>().as('n'))
        .where('tenant', '=', tenant)
        .executeTakeFirstOrThrow();
      return counted.n;
    };
    const total = runs.reduce((sum, one) => sum + one.n, 0);
    const valid = runs.filter((one) => one.outcome === 'valid').reduce((sum, one) => sum + one.n, 0);
    const checked = runs
      .filter((one) => one.outcome === 'valid' || one.outcome === 'invalid')
      .reduce((sum, one) => sum + one.n, 0);
    return {
      totalTrajectories: total,
      certificatesIssued: await countOf('arena_certificates'),
      verificationRate: checked === 0 ? null : valid / checked,
      averageLatencyMs,
      dpoTripletsGenerated: await countOf('arena_triplets'),
    };
  });
}
