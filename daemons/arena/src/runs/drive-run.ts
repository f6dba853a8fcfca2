/**
 * One run from wherever its rows say it stands to its end:
 *
 *     queued → generating → verifying → correcting → judging → certifying → done
 *                                                                        ↘ failed
 *
 * Each step does what its rows lack, so after a crash all are gone through again and only the missing is done (AR16).
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { LeaseLost } from '../rows/run-rows.ts';
import { candidateEvent, charsOf, type LiveRun } from './live-run.ts';
import { asFault } from './run-fault.ts';
import { keepsTexts } from './run-settings.ts';
import { correctStep } from './steps/correct-step.ts';
import { failRun, finishStep } from './steps/finish-step.ts';
import { generateStep } from './steps/generate-step.ts';
import { judgeStep } from './steps/judge-step.ts';
import { planStep } from './steps/plan-step.ts';
import { probeSeeds } from './steps/probe-seeds.ts';
import { verifyStep } from './steps/verify-step.ts';

/** The run is over when this resolves, or this process has let go of it. */
async function goThrough(live: LiveRun): Promise<void> {
  await live.load();
  await planStep(live);
  for (const candidate of live.originals) live.tell(candidateEvent(candidate, charsOf(candidate.answer)));
  await generateStep(live);
  await verifyStep(live);
  await correctStep(live);
  const judgement = await judgeStep(live);
  await probeSeeds(live);
  await finishStep(live, judgement);
}

/**
 * Drives a run to its end or until `live.ended`.
 * @throws LeaseLost, FleetError of a store that is away, the reason of `ended`: the run stays as it is then
 */
export async function driveRun(live: LiveRun): Promise<void> {
  try {
    await goThrough(live);
  } catch (error) {
    // What the store could not take is no fault of the run: whoever holds it next goes on.
    if (live.ended.aborted || error instanceof LeaseLost || error instanceof FleetError) throw error;
    const fault = asFault(error);
    if (fault.code === 'internal_error') live.parts.log.error('a run failed', { run: live.row.id, error: fault.cause });
    await failRun(live, fault, keepsTexts(live.parts.settings, live.row.tenant));
  }
}
