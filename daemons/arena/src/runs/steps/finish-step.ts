/** The end of a run: a certificate where one may be, pairs, the report, and the texts out of its rows (P7). */
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import type { Certified, FinishedRun } from '../../contract/finished-run.ts';
import { countRun } from '../../ratings/count-run.ts';
import { dropTexts } from '../../rows/drop-texts.ts';
import type { LiveRun } from '../live-run.ts';
import { isGiven } from '../plan-run.ts';
import { errorEvent, generationFault, haltFault, RunFault, storedFault } from '../run-fault.ts';
import { finishedRun } from './finished.ts';
import type { Judgement } from './judge-step.ts';
import { reportOf, resultOf, wordlessReport } from './report.ts';

/** Why there is no result to give; undefined when there is one. */
function faultOf(live: LiveRun, run: FinishedRun): RunFault | undefined {
  if (run.outcome === 'valid') return undefined;
  const { halted } = live;
  if (halted === 'user_requested' || (halted === 'timeout' && !isGiven(live.offer))) return haltFault(halted);
  const whole = live.distinct;
  if (whole.length === 0) {
    const reasons = live.originals.map(({ reason }) => reason);
    if (reasons.includes('timeout')) return new RunFault('verification_deadline');
    if (reasons.includes('budget_exceeded')) return new RunFault('budget_exceeded');
    return generationFault(reasons);
  }
  // What could not be checked is neither good nor bad: only who said so beforehand gets it.
  const { on_fail, on_unavailable } = live.offer.block;
  const takesAny = isGiven(live.offer) || on_fail === 'best_effort' || on_unavailable === 'pass';
  return run.outcome === 'inconclusive' && !takesAny ? new RunFault('verification_inconclusive') : undefined;
}

async function certified(live: LiveRun, run: FinishedRun): Promise<Certified | { reason: string } | null> {
  return run.outcome === 'valid' && run.block.certificate ? live.parts.certify(run) : null;
}

async function tellFinished(live: LiveRun, run: FinishedRun, certificateId: string | null): Promise<void> {
  try {
    await live.parts.onFinished(run, certificateId);
  } catch (error) {
    live.ended.throwIfAborted();
    live.parts.log.error('what follows a finished run failed', { run: run.id, error });
  }
}

type End = {
  event: ArenaEvent;
  fields: Record<string, string | number | null>;
  keepsTexts: boolean;
  /** Whose matches are counted; absent for a run that failed. */
  run?: FinishedRun;
};

/** The row's last write, its battles and its texts' end in one transaction, so that each is done once; then the event. */
async function close(live: LiveRun, { event, fields, keepsTexts, run }: End): Promise<void> {
  const probe = live.hasPlan ? live.plan.seedProbe : undefined;
  const calls = [...live.all, ...(probe === undefined ? [] : [probe])];
  const sum = (of: (call: (typeof calls)[number]) => number) => calls.reduce((all, one) => all + of(one), 0);
  const legs = live.legs.reduce((all, { costNano }) => all + costNano, 0);
  await live.hold(async (tx) => {
    await tx
      .updateTable('arena_runs')
      .set({
        ...fields,
        tokens_in: sum(({ tokensIn }) => tokensIn),
        tokens_out: sum(({ tokensOut }) => tokensOut),
        cost_nano: legs + sum(({ costNano }) => costNano),
        finished_at: live.parts.clock.wall(),
        lease_owner: null,
        lease_until: null,
      })
      .where('id', '=', live.row.id)
      .execute();
    if (run !== undefined) await countRun(tx, run);
    if (!keepsTexts) await dropTexts(tx, live.row.id);
  });
  live.tell(event);
}

/** Ends the run with an error. */
export function failRun(live: LiveRun, fault: RunFault, keepsTexts: boolean): Promise<void> {
  const fields = { state: 'failed', error: JSON.stringify(storedFault(fault)) };
  return close(live, { event: errorEvent(fault, live.row.id), fields, keepsTexts });
}

export async function finishStep(live: LiveRun, judgement: Judgement | undefined): Promise<void> {
  await live.enter('certifying');
  const { clock, settings } = live.parts;
  const found = finishedRun(live, judgement, clock.wall());
  const fault = faultOf(live, found);
  if (fault !== undefined) return failRun(live, fault, found.keepsTexts);
  const said = await certified(live, found);
  const certificate = said !== null && 'certificateId' in said ? said : null;
  const run = said !== null && 'reason' in said ? { ...found, warnings: [...found.warnings, said.reason] } : found;
  await tellFinished(live, run, certificate?.certificateId ?? null);
  const report = reportOf(run, certificate);
  const event = resultOf(run, report, settings.shadow.minValid, isGiven(live.offer));
  const fields = {
    state: 'done',
    outcome: run.outcome,
    chosen: run.chosen,
    certificate_id: certificate?.certificateId ?? null,
    report: JSON.stringify(run.keepsTexts ? report : wordlessReport(report)),
  };
  await close(live, { event, fields, keepsTexts: run.keepsTexts, run });
}
