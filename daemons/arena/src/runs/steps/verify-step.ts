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

/** Answers whose digests differ, in one call: a verifier that takes several at once starts one process for them (V8). */
async function check(live: LiveRun, candidates: readonly StoredCandidate[]): Promise<void> {
  const whole = candidates.flatMap((candidate) =>
    candidate.answer === null ? [] : [{ candidate, answer: candidate.answer }],
  );
  const kept = new Map<number, Promise<void>>();
  const keep = (place: number, aggregate: Aggregate) => {
    const candidate = whole[place]?.candidate;
    if (candidate === undefined || kept.has(place)) return;
    const keeping = keepAggregate(live, candidate, aggregate);
    keeping.catch(() => {});
    kept.set(place, keeping);
  };
  const checked = live.parts.verification.verify(
    whole.map(({ answer }) => live.candidate(answer)),
    {
      tenant: live.row.tenant,
      run: live,
      priority: live.offer.block.priority,
      names: live.offer.block.verifiers,
      needed: bracketVerifiers[live.offer.block.bracket],
      suite: live.suite,
      signal: live.signal,
      onVerdict: (place, verdict) => {
        const { idx: index = 0, attempt = 0 } = whole[place]?.candidate ?? {};
        live.tell({ event: 'verdict', index, attempt, verdict });
      },
      // At once: where the deadline cuts off one of them, the others are proven all the same.
      onAggregate: keep,
    },
  );
  const aggregates = await checked.finally(() => Promise.allSettled(kept.values()));
  // Of no verifier at all there is no last verdict.
  for (const [place, aggregate] of aggregates.entries()) keep(place, aggregate);
  await Promise.all(kept.values());
}

/**
 * Verifies answers unless equal ones are, or were, looked at; resolves when all aggregates are known or the run halts.
 * @throws LeaseLost, store errors, what verification throws for a bug
 */
export async function checkAnswers(live: LiveRun, candidates: readonly StoredCandidate[]): Promise<void> {
  const open = candidates.filter(({ digest }) => !live.checks.has(digest ?? ''));
  // Of equal ones that with the lowest index, which carries the verdicts in the end.
  const fresh = new Map(open.toSorted((a, b) => b.idx - a.idx).map((one) => [one.digest ?? '', one]));
  if (fresh.size > 0) {
    const begun = check(live, [...fresh.values()]);
    for (const digest of fresh.keys()) live.checks.set(digest, begun);
  }
  const digests = candidates.map(({ digest }) => digest ?? '');
  const known = await Promise.allSettled(digests.map((digest) => live.checks.get(digest) ?? Promise.resolve()));
  const broken = known.find((result) => result.status === 'rejected');
  if (broken === undefined) return;
  // Ended in the middle: the next to ask begins again, if anybody may.
  digests.forEach((digest, at) => known[at]?.status === 'rejected' && live.checks.delete(digest));
  live.ended.throwIfAborted();
  if (live.halted === undefined) throw broken.reason;
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
  const open = live.distinct.filter(({ aggregate }) => aggregate === null);
  const known = new Map(open.map((candidate) => [candidate, aggregateOf(live, candidate.digest)]));
  for (const [candidate, aggregate] of known) if (aggregate !== null) await keepAggregate(live, candidate, aggregate);
  const unknown = open.filter((candidate) => known.get(candidate) === null);
  if (unknown.length > 0 && live.halted === undefined) await checkAnswers(live, unknown);
}
