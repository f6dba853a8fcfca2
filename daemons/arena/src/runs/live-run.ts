/**
 * A run while this process drives it: what its rows say, held in memory and written through. Steps read it, do what is
 * missing and put it here; nothing is known of a run that its rows do not tell, so any step can be begun again (AR16).
 */
import type { Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { ArenaEvent, RunOffer } from '@labmesh/wire/verification/arena-run';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Candidate } from '../contract/candidate.ts';
import type { ChatMessage } from '@labmesh/wire/openai';
import { Stopped, type StopReason } from '../generate/early-stop.ts';
import { putCandidate, readCandidates, type StoredCandidate } from '../rows/candidate-rows.ts';
import { readLegs, type StoredLeg } from '../rows/match-rows.ts';
import type { RunPlan } from '../rows/run-plan.ts';
import { holdRun, type RunState, type StoredRun } from '../rows/run-rows.ts';
import { makeCandidate } from '../verify/make-candidate.ts';
import { Budget } from './budget.ts';
import type { RunFeed } from './run-feed.ts';
import type { RunParts } from './run-parts.ts';

export const runsPrincipal = system('arena-runs');

export type LiveRunInput = {
  parts: RunParts;
  owner: string;
  run: Omit<StoredRun, 'offer'>;
  offer: RunOffer;
  feed: RunFeed;
  /** Aborted when this process lets go of the run: it ends, or lost the lease. */
  ended: AbortSignal;
};

const placeKey = (idx: number, attempt: number) => `${idx}/${attempt}`;

export class LiveRun {
  readonly parts: RunParts;
  readonly row: Omit<StoredRun, 'offer'>;
  readonly offer: RunOffer;
  readonly ended: AbortSignal;
  readonly feed: RunFeed;
  readonly warnings: string[] = [];
  /** Of answers that are looked at now, or were, by digest: equal ones are verified once. */
  readonly checks = new Map<string, Promise<void>>();
  /** Marks of the engines that answered, by what they were asked with. */
  readonly engines = new WeakMap<StoredCandidate['sampling'], string>();
  legs: StoredLeg[] = [];
  suite: Suite | undefined;
  readonly #owner: string;
  readonly #candidates = new Map<string, StoredCandidate>();
  readonly #halt = new AbortController();
  #written: Promise<unknown> = Promise.resolve();
  #plan: RunPlan | undefined;
  #budget: Budget | undefined;

  constructor(input: LiveRunInput) {
    this.parts = input.parts;
    this.row = input.run;
    this.offer = input.offer;
    this.ended = input.ended;
    this.feed = input.feed;
    this.#owner = input.owner;
  }

  /** Reads what was done before. */
  async load(): Promise<void> {
    const { store } = this.parts;
    const [candidates, legs] = await store.read(runsPrincipal, async (db) => [
      await readCandidates(db, this.row.id),
      await readLegs(db, this.row.id),
    ]);
    for (const candidate of candidates) this.#candidates.set(placeKey(candidate.idx, candidate.attempt), candidate);
    this.legs = legs;
    if (this.row.plan !== null) this.setPlan(this.row.plan);
  }

  get plan(): RunPlan {
    if (this.#plan === undefined) throw new TypeError('the run has no plan yet');
    return this.#plan;
  }

  get hasPlan(): boolean {
    return this.#plan !== undefined;
  }

  get budget(): Budget {
    if (this.#budget === undefined) throw new TypeError('the run has no plan yet');
    return this.#budget;
  }

  /** Also counts what was spent before. */
  setPlan(plan: RunPlan): void {
    this.#plan = plan;
    const calls = [
      ...this.#candidates.values(),
      ...this.legs,
      ...(plan.seedProbe === undefined ? [] : [plan.seedProbe]),
    ];
    this.#budget = new Budget(plan.budget, this.parts.settings.prices, {
      tokens: calls.reduce((sum, call) => sum + call.tokensIn + call.tokensOut, 0),
      nanoUsd: calls.reduce((sum, call) => sum + call.costNano, 0),
      judgeCalls: this.legs.length,
    });
  }

  /** Nothing more is begun: time is up, or whoever asked has gone. What is there may still be given. */
  halt(reason: StopReason): void {
    if (!this.#halt.signal.aborted) this.#halt.abort(new Stopped(reason));
  }

  get halted(): StopReason | undefined {
    return this.#halt.signal.aborted ? (this.#halt.signal.reason as Stopped).reason : undefined;
  }

  get haltSignal(): AbortSignal {
    return this.#halt.signal;
  }

  /** Aborted when the work of a step is to end, for whichever reason. */
  get signal(): AbortSignal {
    return AbortSignal.any([this.ended, this.#halt.signal]);
  }

  tell(event: ArenaEvent): void {
    this.feed.push(event);
  }

  /** One transaction as the run's holder, after those before it: they all touch the run's row. @throws LeaseLost */
  hold<T>(work: (tx: Writer) => Promise<T>): Promise<T> {
    const hold = { id: this.row.id, owner: this.#owner };
    const written = this.#written.then(() => holdRun(runsPrincipal, this.parts.store, hold, work));
    this.#written = written.catch(() => {});
    return written;
  }

  async enter(state: RunState): Promise<void> {
    await this.hold((tx) => tx.updateTable('arena_runs').set({ state }).where('id', '=', this.row.id).execute());
    this.feed.entered(state);
  }

  /** Writes the row, then takes it into memory. */
  async put(candidate: StoredCandidate): Promise<void> {
    await this.hold((tx) => putCandidate(tx, this.row.id, candidate));
    this.keep(candidate);
  }

  /** Into memory alone: its row was written by the caller. */
  keep(candidate: StoredCandidate): void {
    this.#candidates.set(placeKey(candidate.idx, candidate.attempt), candidate);
  }

  /** The answers before any correction, by index. */
  get originals(): StoredCandidate[] {
    return [...this.#candidates.values()].filter(({ attempt }) => attempt === 0).toSorted((a, b) => a.idx - b.idx);
  }

  /** Corrections of one candidate, first to last. */
  corrections(idx: number): StoredCandidate[] {
    const own = [...this.#candidates.values()].filter((one) => one.idx === idx && one.attempt > 0);
    return own.toSorted((a, b) => a.attempt - b.attempt);
  }

  get all(): StoredCandidate[] {
    return [...this.#candidates.values()];
  }

  /** Whole answers, one of each that are equal. */
  get distinct(): StoredCandidate[] {
    return this.originals.filter(({ state, sameAs }) => state === 'generated' && sameAs === null);
  }

  /** What takes part in the end: the valid correction, else the answer itself. */
  final(candidate: StoredCandidate): StoredCandidate {
    return this.corrections(candidate.idx).findLast(({ outcome }) => outcome === 'valid') ?? candidate;
  }

  /** As verifiers and judges see an answer. */
  candidate(answer: ChatMessage): Candidate {
    const { request, block } = this.offer;
    return makeCandidate({
      messages: request.messages,
      answer,
      tools: request.tools ?? undefined,
      expectedSchema: block.expected_schema,
      metadata: block.metadata,
    });
  }
}

/** The event of a candidate as its row is now. */
export const candidateEvent = (
  candidate: Omit<StoredCandidate, 'state'> & { state: StoredCandidate['state'] | 'generating' },
  chars: number,
): ArenaEvent => ({
  event: 'candidate',
  index: candidate.idx,
  state: candidate.state,
  temperature: candidate.sampling.temperature,
  seed: candidate.sampling.seed,
  model: candidate.model ?? candidate.sampling.model,
  sameAs: candidate.sameAs,
  chars,
  tokens:
    candidate.state === 'generated'
      ? { promptTokens: candidate.tokensIn, completionTokens: candidate.tokensOut }
      : null,
  latencyMs: candidate.latencyMs,
  reason: candidate.reason,
});

/** Characters of an answer. */
export const charsOf = (answer: ChatMessage | null): number => {
  const text = typeof answer?.content === 'string' ? answer.content.length : 0;
  const calls = answer?.tool_calls?.map(({ function: asked }) => (asked?.arguments ?? '').length) ?? [];
  return calls.reduce((sum, chars) => sum + chars, text);
};
