/** The plan of a run and its candidates' rows, written before its first call (P5): what it goes on by, wherever it goes on. */
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import type { Sampling } from '../../contract/finished-run.ts';
import type { OfferedTool } from '../../contract/offered-tool.ts';
import { ToolsRefused } from '../../generate/tools/select-tools.ts';
import { putCandidate, type StoredCandidate } from '../../rows/candidate-rows.ts';
import type { LiveRun } from '../live-run.ts';
import { isGiven, planRun } from '../plan-run.ts';
import { RunFault } from '../run-fault.ts';

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

/** Tools that the request is offered; [] without any. @throws RunFault; Stopped; the reason of `ended` */
async function chooseTools({ offer, parts, row, signal }: LiveRun): Promise<readonly OfferedTool[]> {
  const { tools: selectors } = offer.block;
  if (selectors === undefined) return [];
  const bad = (text: string) =>
    new RunFault('verification_bad_option', `verification.tools: ${text}`, { field: 'verification.tools' });
  if (isGiven(offer)) throw bad('nothing is generated here: the answer is there already');
  // A turn that calls one of each could be answered by nobody.
  if ((offer.request.tools ?? []).length > 0) throw bad('the request has tools of its own');
  try {
    if (parts.tools === undefined) throw new ToolsRefused('this arena has no tool servers');
    return await parts.tools.select(row.tenant, selectors, signal);
  } catch (error) {
    if (!(error instanceof ToolsRefused)) throw error;
    throw error.isAway ? new RunFault('verification_unavailable', error.message) : bad(error.message);
  }
}

/** Decides and records how the run will go, once. */
export async function planStep(live: LiveRun): Promise<void> {
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
  const tools = await chooseTools(live);
  const planned = planRun(offer, parts.settings, { runId: row.id, judge, suiteSha256 });
  const plan = { ...planned, ...(tools.length > 0 && { tools }) };
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
