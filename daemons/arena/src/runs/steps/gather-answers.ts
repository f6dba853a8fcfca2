/**
 * Answers of a run on their way to verification, gathered so that a verifier that takes several at once starts one process
 * for them (V8): the first waits a moment for the others, and for nothing once the last stream has ended. So nothing is
 * later than it would be alone, and at a deadline what came early is proven.
 */
import type { StoredCandidate } from '../../rows/candidate-rows.ts';
import type { LiveRun } from '../live-run.ts';
import { checkAnswers } from './verify-step.ts';

/** How long an answer waits for others while streams are open. */
export const gatherMs = 250;

export class AnswerGathering {
  readonly #live: LiveRun;
  #streams: number;
  #waiting: StoredCandidate[] = [];
  #batch: PromiseWithResolvers<void> | undefined;
  #waited = new AbortController();

  /** @param streams that are about to be open together */
  constructor(live: LiveRun, streams: number) {
    this.#live = live;
    this.#streams = streams;
  }

  /** A stream's end, and its answer when it is whole. Resolves when that one is verified. @throws as checkAnswers */
  async ended(answer: StoredCandidate | undefined): Promise<void> {
    this.#streams -= 1;
    const known = answer === undefined ? undefined : this.#add(answer);
    // Early stop decides by what is known of the answers so far.
    if (this.#streams <= 0 || this.#live.parts.settings.earlyStop.enabled) this.#look();
    await known;
  }

  #add(answer: StoredCandidate): Promise<void> {
    this.#waiting.push(answer);
    if (this.#batch !== undefined) return this.#batch.promise;
    this.#batch = Promise.withResolvers();
    this.#waited = new AbortController();
    const look = () => this.#look();
    const ended = AbortSignal.any([this.#live.signal, this.#waited.signal]);
    void this.#live.parts.clock.sleep(gatherMs, ended).then(look, look);
    return this.#batch.promise;
  }

  #look(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    this.#waited.abort();
    checkAnswers(this.#live, this.#waiting.splice(0)).then(batch.resolve, batch.reject);
  }
}
