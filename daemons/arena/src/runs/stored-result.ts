/** What a run that ended before says again: from its rows, where its texts are kept. */
import type { Store } from '@labmesh/store/store';
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import { certificateOfRun } from '../certify/certificate-rows.ts';
import { type StoredCandidate, readCandidates } from '../rows/candidate-rows.ts';
import type { StoredRun } from '../rows/run-rows.ts';
import { finalOf } from '../tournament/bracket-of-rows.ts';
import { runsPrincipal } from './live-run.ts';
import { asFault, errorEvent, type FaultCode, RunFault } from './run-fault.ts';

/** The answer that was given: as `givenOf` finds it in a run that has just ended. */
function givenAnswer(run: StoredRun, candidates: readonly StoredCandidate[]): StoredCandidate | undefined {
  const whole = candidates
    .filter(({ attempt }) => attempt === 0)
    .flatMap(({ idx, sameAs }) => {
      const original = candidates.find((one) => one.idx === (sameAs ?? idx) && one.attempt === 0);
      const final = original && finalOf(candidates, original);
      return final === undefined || final.answer === null ? [] : [{ index: idx, final }];
    });
  const chosen = whole.find(({ index }) => index === run.chosen);
  if (chosen !== undefined) return chosen.final;
  const score = (one: StoredCandidate) => one.aggregate?.combinedScoreModifier ?? 0;
  const alike = whole.filter(({ final }) => final.outcome === run.outcome);
  return (alike.length > 0 ? alike : whole).toSorted((a, b) => score(b.final) - score(a.final) || a.index - b.index)[0]
    ?.final;
}

/** The last event of a finished run: its result when the answer is still there, else why not. */
export async function storedResult(store: Store, run: StoredRun): Promise<ArenaEvent> {
  if (run.error !== null) {
    const { code, message, retryAfterS } = run.error;
    return errorEvent(new RunFault(code as FaultCode, message, retryAfterS === null ? {} : { retryAfterS }), run.id);
  }
  const candidates = await store.read(runsPrincipal, (db) => readCandidates(db, run.id));
  const given = givenAnswer(run, candidates);
  if (run.report === null) return errorEvent(asFault(new TypeError('a finished run without a report')), run.id);
  if (given === undefined) {
    const text = 'this request was answered before, and its texts are not kept; send it again under another id';
    return errorEvent(new RunFault('verification_unavailable', text), run.id);
  }
  const [prompt_tokens, completion_tokens] = [run.tokensIn, run.tokensOut];
  return {
    event: 'result',
    runId: run.id,
    answer: given.answer,
    model: given.model ?? run.model,
    finishReason: given.finishReason,
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    report: run.report,
    shadowArena: null,
  };
}

/**
 * The same, unless it is a result whose certificate was revoked since: nobody hears a second time that it is valid. Neither
 * is it invalid, as the reason may lie in a key or a verifier.
 */
export async function stillStanding(store: Store, event: ArenaEvent): Promise<ArenaEvent> {
  if (event.event !== 'result' || event.report.certificate_id === null) return event;
  const row = await certificateOfRun(store, event.runId);
  if (row === undefined || row.revoked_at === null) return event;
  const text = 'the certificate of this run was revoked; send the request again under another id';
  return errorEvent(new RunFault('verification_inconclusive', text), event.runId);
}
