/** Verification of answers (V4, AR4): each distinct one once, its verdicts written before anything follows from them. */
import type { Aggregate } from '@labmesh/wire/verification/verdict';
import type { StoredCandidate } from '../../rows/candidate-rows.ts';
import { bracketVerifiers } from '../../verify/bracket-verifiers.ts';
import { candidateEvent, charsOf, type LiveRun } from '../live-run.ts';

/** Called as verdicts of an answer stand in their rows. */
async function keepAggregate(live: LiveRun, candidate: StoredCandidate, aggregate: Aggregate): Promise<void> {
  await live.put({ ...candidate, aggregate, outcome: aggregate.outcome });
  const { idx: index, attempt } = candidate;
  live.tell({ event: 'outcome', index, attempt, outcome: aggregate.outcome, score: aggregate.combinedScoreModifier });
}

async function check(live: LiveRun, candidate: StoredCandidate): Promise<void> {
  const { answer, idx: index, attempt } = candidate;
  if (answer === null) return;
  const [aggregate] = await live.parts.verification.verify([live.candidate(answer)], {
    tenant: live.row.tenant,
    priority: live.offer.block.priority,
    names: live.offer.block.verifiers,
    needed: bracketVerifiers[live.offer.block.bracket],
    suite: live.suite,
    signal: live.signal,
    onVerdict: (_, verdict) => live.tell({ event: 'verdict', index, attempt, verdict }),
  });
  if (aggregate !== undefined) await keepAggregate(live, candidate, aggregate);
}

/**
 * Verifies an answer unless an equal one is, or was, looked at; resolves when its aggregate is known or the run halts.
 * @throws LeaseLost, store errors, what verification throws for a bug
 */
export async function checkAnswer(live: LiveRun, candidate: StoredCandidate): Promise<void> {
  const key = candidate.digest ?? '';
  let known = live.checks.get(key);
  if (known === undefined) {
    known = check(live, candidate);
    live.checks.set(key, known);
  }
  try {
    await known;
  } catch (error) {
    // Ended in the middle: the next to ask begins again, if anybody may.
    live.checks.delete(key);
    live.ended.throwIfAborted();
    if (live.halted === undefined) throw error;
  }
}

/** What was found of an answer equal to this one, in this run. */
export const aggregateOf = (live: LiveRun, digest: string | null): Aggregate | null =>
  live.all.find((one) => one.digest === digest && one.aggregate !== null)?.aggregate ?? null;

/** Marks answers that are equal to one of a lower index; that one carries the verdicts, whoever was looked at first. */
export async function mergeEqual(live: LiveRun): Promise<void> {
  const first = new Map<string, StoredCandidate>();
  for (const candidate of live.originals) {
    if (candidate.state !== 'generated' || candidate.digest === null) continue;
    const leader = first.get(candidate.digest);
    if (leader === undefined) {
      first.set(candidate.digest, candidate);
      continue;
    }
    if (candidate.sameAs === leader.idx) continue;
    const merged = { ...candidate, sameAs: leader.idx };
    await live.put(merged);
    live.tell(candidateEvent(merged, charsOf(merged.answer)));
  }
}

/** All distinct answers have their verdicts afterwards, unless the run halts first. */
export async function verifyStep(live: LiveRun): Promise<void> {
  // Of those that were begun while others were still being generated.
  await Promise.allSettled(live.checks.values());
  await mergeEqual(live);
  await live.enter('verifying');
  await Promise.all(
    live.distinct
      .filter(({ aggregate }) => aggregate === null)
      .map(async (candidate) => {
        const known = aggregateOf(live, candidate.digest);
        if (known !== null) await keepAggregate(live, candidate, known);
        else if (live.halted === undefined) await checkAnswer(live, candidate);
      }),
  );
}
