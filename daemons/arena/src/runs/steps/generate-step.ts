/**
 * Generation of all variations side by side (AR2-AR6). Answers are verified while others are still on
 * their way, and at once where early stop is to see them. What happens to one never ends another, save by a reason that
 * early stop names.
 */
import { systemClock } from '@labmesh/kit/clock';
import { decideStop, Stopped, type StopReason } from '../../generate/early-stop.ts';
import { tokensOfChars } from '../../generate/variation-request.ts';
import type { StoredCandidate } from '../../rows/candidate-rows.ts';
import { candidateEvent, charsOf, type LiveRun } from '../live-run.ts';
import { cachedTokens, type CallResult } from './call-model.ts';
import { AnswerGathering } from './gather-answers.ts';
import { rollOut } from './roll-out.ts';

/** Characters between two events of progress. */
const progressChars = 4_096;

/** A generation under way: what is known of its streams, and the one decision to end them. */
class Generating {
  readonly live: LiveRun;
  readonly gathering: AnswerGathering;
  readonly #chars = new Map<number, number>();
  readonly #stop = new AbortController();
  #decided: StopReason | undefined;
  #timedOut = false;
  stopped = 0;
  savedTokens = 0;

  constructor(live: LiveRun, gathering: AnswerGathering) {
    this.live = live;
    this.gathering = gathering;
  }

  get signal(): AbortSignal {
    return AbortSignal.any([this.live.signal, this.#stop.signal]);
  }

  get decided(): StopReason | undefined {
    return this.#decided ?? this.live.halted;
  }

  timeOut(): void {
    this.#timedOut = true;
    this.look();
  }

  progress(idx: number, chars: number): void {
    const before = this.#chars.get(idx) ?? 0;
    this.#chars.set(idx, chars);
    this.look();
    if (Math.floor(chars / progressChars) === Math.floor(before / progressChars)) return;
    const candidate = this.live.originals[idx];
    if (candidate !== undefined) this.live.tell(candidateEvent({ ...candidate, state: 'generating' }, chars));
  }

  done(idx: number): void {
    this.#chars.delete(idx);
  }

  /** Asks after each thing that happens whether to go on. */
  look(): void {
    if (this.#decided !== undefined) return;
    const { live } = this;
    const { settings } = live.parts;
    const { originals } = live;
    const open = [...this.#chars.values()].reduce((sum, chars) => sum + tokensOfChars(chars), 0);
    const limits = { ...settings.earlyStop, maxTokens: live.budget.limits.tokens };
    this.#decided = decideStop(
      {
        validScores: originals.flatMap(({ aggregate }) =>
          aggregate?.outcome === 'valid' ? [aggregate.combinedScoreModifier] : [],
        ),
        failed: originals.filter(({ state, outcome }) => state === 'failed' || outcome === 'invalid').length,
        variations: live.plan.samplings.length,
        tokens: live.budget.spent.tokens + open,
        timedOut: this.#timedOut,
        abandoned: live.halted === 'user_requested',
      },
      limits,
    );
    if (this.#decided !== undefined) void this.#end(this.#decided, limits.delayMs);
  }

  /** Streams about to end get a moment; what has no time left does not. */
  async #end(reason: StopReason, delayMs: number): Promise<void> {
    if (reason === 'quality_threshold_met' || reason === 'sufficient_valid') await systemClock.sleep(delayMs);
    this.#stop.abort(new Stopped(reason));
  }
}

/** @returns the row as the last call left it; what all calls cost stands in it. */
function after(candidate: StoredCandidate, result: CallResult, live: LiveRun): StoredCandidate {
  if (result.state !== 'generated') return { ...candidate, state: result.state, reason: result.reason };
  const { answer, digest } = live.candidate(result.generation.answer);
  const { model, finishReason } = result.generation;
  const tokensCached = cachedTokens(result.generation);
  return { ...candidate, answer, digest, model, finishReason, tokensCached, reason: null, state: 'generated' };
}

function tellLost(generating: Generating, candidate: StoredCandidate, result: CallResult): void {
  if (result.state === 'generated') return;
  if (result.state === 'stopped') {
    generating.stopped += 1;
    generating.savedTokens += result.savedTokens;
    return;
  }
  // A failure that is the answer's own doing ends its stream alone (AR5).
  if (result.reason !== 'answer_too_long') return;
  generating.live.tell({
    event: 'terminated',
    timestamp: new Date(generating.live.parts.clock.wall()).toISOString(),
    reason: 'hard_verification_failure',
    terminatedCount: 1,
    savedTokensEstimate: result.savedTokens,
    details: { index: candidate.idx, cause: result.reason },
  });
}

async function generateOne(generating: Generating, candidate: StoredCandidate, sharers: () => number): Promise<void> {
  const { live } = generating;
  const { idx } = candidate;
  live.tell(candidateEvent({ ...candidate, state: 'generating' }, 0));
  const { row: rolled, result } = await rollOut(live, candidate, {
    signal: generating.signal,
    sharers: sharers(),
    onProgress: (chars) => generating.progress(idx, chars),
  });
  generating.done(idx);
  const row = after(rolled, result, live);
  await live.put(row);
  live.tell(candidateEvent(row, charsOf(row.answer)));
  tellLost(generating, row, result);
  generating.look();
  await generating.gathering.ended(row.state === 'generated' ? row : undefined);
  generating.look();
}

/** Runs `work` for each: all at once, or one after the other. All have ended when it throws the first error. */
async function each<T>(items: readonly T[], parallel: boolean, work: (item: T) => Promise<void>): Promise<void> {
  if (!parallel) {
    for (const item of items) await work(item);
    return;
  }
  const results = await Promise.allSettled(items.map(work));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** No variation is pending afterwards. */
export async function generateStep(live: LiveRun): Promise<void> {
  await live.enter('generating');
  const pending = live.originals.filter(({ state }) => state === 'pending');
  if (pending.length === 0) return;
  const { timeoutMs, parallel } = live.parts.settings.shadow;
  const generating = new Generating(live, new AnswerGathering(live, parallel ? pending.length : 1));
  const over = new AbortController();
  void live.parts.clock.sleep(timeoutMs, over.signal).then(
    () => generating.timeOut(),
    () => {},
  );
  let left = pending.length;
  try {
    await each(pending, parallel, (candidate) => generateOne(generating, candidate, () => left--));
  } finally {
    over.abort();
  }
  const reason = generating.decided ?? (generating.stopped > 0 ? 'budget_exceeded' : undefined);
  if (reason === undefined) return;
  live.tell({
    event: 'terminated',
    timestamp: new Date(live.parts.clock.wall()).toISOString(),
    reason,
    terminatedCount: generating.stopped,
    savedTokensEstimate: generating.savedTokens,
    details: { variations: live.plan.samplings.length },
  });
}
