/**
 * One run from wherever its rows say it stands to its end:
 *
 *     queued → generating → verifying → correcting → judging → certifying → done
 *                                                                        ↘ failed
 *
 * Each step does what its rows lack, so after a crash all are gone through again and only the missing is done (AR16).
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { putCandidate, type StoredCandidate } from '../rows/candidate-rows.ts';
import { LeaseLost } from '../rows/run-rows.ts';
import type { Sampling } from '../contract/finished-run.ts';
import { candidateEvent, charsOf, type LiveRun } from './live-run.ts';
import { isGiven, planRun } from './plan-run.ts';
import { asFault, RunFault } from './run-fault.ts';
import { keepsTexts } from './run-settings.ts';
import { correctStep } from './steps/correct-step.ts';
import { failRun, finishStep } from './steps/finish-step.ts';
import { generateStep } from './steps/generate-step.ts';
import { judgeStep } from './steps/judge-step.ts';
import { probeSeeds } from './steps/probe-seeds.ts';
import { verifyStep } from './steps/verify-step.ts';

const pending = (idx: number, sampling: Sampling): StoredCandidate => ({
  idx,
  attempt: 0,
  state: 'pending',
  sameAs: null,
  sampling,
  digest: null,
  answer: null,
  model: null,
  finishReason: null,
  tokensIn: 0,
  tokensOut: 0,
  costNano: 0,
  latencyMs: null,
  aggregate: null,
  outcome: null,
  reason: null,
});

/** The answer that came with the offer, as candidate 0: it was paid before, so it costs this run nothing. */
function given(live: LiveRun, offer: RunOffer, candidate: StoredCandidate): StoredCandidate {
  if (candidate.idx !== 0 || offer.answer === undefined || (!isGiven(offer) && offer.mode !== 'shadow')) {
    return candidate;
  }
  const { answer, digest } = live.candidate(offer.answer);
  return { ...candidate, state: 'generated', answer, digest, model: offer.request.model };
}

async function loadSuite(live: LiveRun): Promise<string | null> {
  const { suite: id } = live.offer.block;
  if (id === undefined) return null;
  const found = await live.parts.suites.get(live.row.tenant, id);
  if (found === undefined) {
    const field = 'verification.suite';
    throw new RunFault('verification_bad_option', 'verification.suite: this tenant has no such suite', { field });
  }
  live.suite = found.suite;
  return found.sha256;
}

/** Decides and records how the run will go, once. */
async function planStep(live: LiveRun): Promise<void> {
  const { parts, offer, row } = live;
  const suiteSha256 = await loadSuite(live);
  if (live.hasPlan) {
    // Another suite under the same name is another question.
    if (live.plan.suiteSha256 !== suiteSha256) {
      throw new RunFault('verification_bad_option', 'the suite was replaced while the run was under way', {
        field: 'verification.suite',
      });
    }
    return;
  }
  const judge = await parts.judge({ tenant: row.tenant, key: row.key });
  const plan = planRun(offer, parts.settings, { runId: row.id, judge, suiteSha256 });
  const candidates = plan.samplings.map((sampling, idx) => given(live, offer, pending(idx, sampling)));
  await live.hold(async (tx) => {
    for (const candidate of candidates) await putCandidate(tx, row.id, candidate);
    await tx
      .updateTable('arena_runs')
      .set({ plan: JSON.stringify(plan) })
      .where('id', '=', row.id)
      .execute();
  });
  for (const candidate of candidates) live.keep(candidate);
  live.setPlan(plan);
}

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
