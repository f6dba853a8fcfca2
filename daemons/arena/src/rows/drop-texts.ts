/**
 * Takes prompt and answer text out of a run's rows (P7): the offer, answers, turns with tools, what verifiers quote of them, judges'
 * reasons. Digests, statuses, codes, tokens and scores stay.
 */
import type { Writer } from '@labmesh/store/store';
import type { Verdict } from '@labmesh/wire/verification/verdict';

/** A verdict without words of the answer: a message may quote what it could not parse. */
const wordless = (verdict: Verdict): Verdict => ({ ...verdict, message: '', details: {} });

export async function dropTexts(tx: Writer, runId: string): Promise<void> {
  await tx.updateTable('arena_runs').set({ offer: null }).where('id', '=', runId).execute();
  const candidates = await tx
    .selectFrom('arena_candidates')
    .select(['id', 'aggregate'])
    .where('run_id', '=', runId)
    .execute();
  for (const { id, aggregate } of candidates) {
    const summary = aggregate === null ? null : (JSON.parse(aggregate) as Record<string, unknown>);
    const kept = summary === null ? null : JSON.stringify({ ...summary, failureMessages: [] });
    await tx
      .updateTable('arena_candidates')
      .set({ answer: null, rollout: null, aggregate: kept })
      .where('id', '=', id)
      .execute();
  }
  const verdicts = await tx
    .selectFrom('arena_verdicts')
    .select(['id', 'verdict'])
    .where('run_id', '=', runId)
    .execute();
  for (const { id, verdict } of verdicts) {
    const kept = JSON.stringify(wordless(JSON.parse(verdict) as Verdict));
    await tx.updateTable('arena_verdicts').set({ verdict: kept }).where('id', '=', id).execute();
  }
  const legs = await tx.selectFrom('arena_matches').select(['id', 'result']).where('run_id', '=', runId).execute();
  for (const { id, result } of legs) {
    const kept = result === null ? null : JSON.stringify({ ...(JSON.parse(result) as object), rationale: null });
    await tx.updateTable('arena_matches').set({ result: kept }).where('id', '=', id).execute();
  }
}
