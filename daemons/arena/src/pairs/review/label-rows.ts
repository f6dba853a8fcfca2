/** arena_labels: every call names the tenant (P6). A reviewer has one word a comparison, and may change it. */
import { type Page, page } from '@labmesh/store/page';
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import { type GiveLabel, type Label, labelLimits, labelSchema } from '@labmesh/wire/verification/labels';
import type { FinishedRun } from '../../contract/finished-run.ts';
import { PairsError } from '../pairs-error.ts';
import { confidencePpm } from '../triplet-rows.ts';
import { placeOf } from './label-place.ts';

type Comparison = { tenant: string; runId: string; a: number; b: number };

const wordsSchema = labelSchema.pick({ rationales: true, notes: true });

type Row = Awaited<ReturnType<typeof selectRows>>[number];
const selectRows = (db: Reader, { tenant, runId, a, b }: Comparison) =>
  db
    .selectFrom('arena_labels')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('a', '=', a)
    .where('b', '=', b)
    .orderBy('id')
    .limit(labelLimits.reviewersMost)
    .execute();

const viewOf = (row: Row): Label => ({
  id: row.id,
  runId: row.run_id,
  a: row.a,
  b: row.b,
  reviewer: row.reviewer,
  winner: row.winner as Label['winner'],
  confidence: row.confidence_ppm / 1e6,
  ...wordsSchema.parse(JSON.parse(row.words)),
  createdAt: new Date(row.created_at).toISOString(),
});

/** Of one comparison, oldest first. */
export const labelsOf = async (db: Reader, comparison: Comparison): Promise<Label[]> =>
  (await selectRows(db, comparison)).map(viewOf);

/** Newest first. @throws FleetError VALIDATION_FAILED for a foreign cursor */
export async function listLabels(
  db: Reader,
  tenant: string,
  ask: { limit: number; cursor?: string | undefined; run?: string | undefined },
): Promise<Page<Label>> {
  let query = db.selectFrom('arena_labels').selectAll().where('tenant', '=', tenant);
  if (ask.run !== undefined) query = query.where('run_id', '=', ask.run);
  const by = [{ column: 'id', type: 'text' } as const];
  const { limit, cursor } = ask;
  const found = await page(query, { list: 'labels', by, descending: true, limit, cursor });
  return { items: found.items.map(viewOf), nextCursor: found.nextCursor };
}

/** Adds the reviewer's word, or puts it in place of the one before; `given.a` < `given.b`, answers of `run`. @throws PairsError LABELS_FULL */
export async function putLabel(
  tx: Writer,
  { tenant, reviewer, at }: { tenant: string; reviewer: string; at: number },
  given: GiveLabel,
  run: FinishedRun,
): Promise<void> {
  const { runId, a, b, winner, confidence, rationales, notes } = given;
  const before = await selectRows(tx, { tenant, runId, a, b });
  if (before.length >= labelLimits.reviewersMost && !before.some((row) => row.reviewer === reviewer)) {
    throw new PairsError('LABELS_FULL', `a comparison has at most ${labelLimits.reviewersMost} reviewers`);
  }
  const words = JSON.stringify({ rationales, notes });
  const said = { winner, confidence_ppm: confidencePpm(confidence), words, ...placeOf(run, a, b) };
  await tx
    .insertInto('arena_labels')
    .values({ id: uuidv7(), created_at: at, tenant, run_id: runId, a, b, reviewer, ...said })
    .onConflict((on) => on.columns(['run_id', 'a', 'b', 'reviewer']).doUpdateSet({ ...said, created_at: at }))
    .execute();
}
