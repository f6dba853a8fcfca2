/**
 * Tunings of judges (verification AR17), one at a time for a tenant, paid by who asked, and what came of them: nothing that a
 * judge is told changes before a person of the tenant approves of it. Both stand in the store, so that every arena beside
 * this one tells its judges the same.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { ApproveJudge, ApprovedJudge, JudgeTuningView, TuneJudge } from '@labmesh/wire/verification/judge-views';
import type { Judge, ModelInstructions } from '../../contract/judge.ts';
import { usualInstructions } from '../judge-prompt.ts';
import type { GoldParts } from './gold-comparison.ts';
import { type Tuned, tuneJudge } from './tune-judge.ts';
import { type Known, modelsMost, putTuning, readKnown, setInstructions } from './tuning-rows.ts';

type JudgeTuningsParts = {
  store: Store;
  clock: Clock;
  log: Logger;
  /** A model as judge; `tenant` and `key` are who pays. */
  judge: (payer: Payer, model: string, instructions: string) => Judge;
};
type Payer = { tenant: string; key: string };

const who = system('arena-judges');
/** At once in this process. */
const runningMost = 4;

/** `why` for the caller. */
type TuningStarted = { tuning: JudgeTuningView } | { why: string };

export class JudgeTunings implements AsyncDisposable {
  readonly #parts: JudgeTuningsParts;
  readonly #running = new Map<string, { tuning: JudgeTuningView; end: Promise<void> }>();
  readonly #stop = new AbortController();

  constructor(parts: JudgeTuningsParts) {
    this.#parts = parts;
  }

  /** Of one tenant, by model; one that runs in place of the one before. */
  async known(tenant: string): Promise<Known> {
    const running = this.#running.get(tenant)?.tuning;
    const { tunings, approved } = await this.#read(tenant);
    const others = tunings.filter(({ model }) => model !== running?.model);
    return { tunings: running === undefined ? others : [...others, running], approved };
  }

  #read = (tenant: string) => this.#parts.store.read(who, (db) => readKnown(db, tenant));

  /** What models are told that are not told the usual. */
  async instructions(tenant: string): Promise<ModelInstructions[]> {
    return (await this.#read(tenant)).approved.map(({ model, instructions }) => ({ model, text: instructions }));
  }

  /** Begins one; what comes of it stands in `known`. */
  async start(payer: Payer, asked: TuneJudge, gold: GoldParts): Promise<TuningStarted> {
    const { tenant } = payer;
    const { tunings, approved } = await this.#read(tenant);
    if (this.#running.has(tenant)) return { why: 'a judge is being tuned already' };
    if (this.#running.size >= runningMost) return { why: `${runningMost} judges are being tuned; try again later` };
    if (tunings.length >= modelsMost && !tunings.some(({ model }) => model === asked.model)) {
      return { why: `a tenant has at most ${modelsMost} judges` };
    }
    const present = approved.find(({ model }) => model === asked.model)?.instructions ?? usualInstructions;
    const tuning: JudgeTuningView = {
      ...asked,
      state: 'running',
      calls: 0,
      train: gold.train.length,
      heldOut: gold.heldOut.length,
      present: null,
      best: null,
      difference: null,
      reason: null,
      startedAt: this.#now(),
      endedAt: null,
    };
    const end = this.#run(payer, tuning, present, gold).finally(() => void this.#running.delete(tenant));
    this.#running.set(tenant, { tuning, end });
    return { tuning };
  }

  #now = () => new Date(this.#parts.clock.wall()).toISOString();

  /** Never rejects. */
  async #run(payer: Payer, tuning: JudgeTuningView, present: string, gold: GoldParts): Promise<void> {
    const { store, clock, log, judge } = this.#parts;
    const { model } = tuning;
    const judgeWith = (instructions: string) => judge(payer, model, instructions);
    const onSpent = () => void tuning.calls++;
    const asked = { judge: judgeWith, present, gold, signal: this.#stop.signal, onSpent };
    try {
      const ended = this.#ended(tuning, await tuneJudge(asked, tuning));
      await store.write(who, (tx) => putTuning(tx, payer.tenant, ended, clock.wall()));
    } catch (error) {
      log.warn('a judge was not tuned to the end', { model, error });
      const { code } = error as { code?: unknown };
      await this.#keepFailed(payer.tenant, tuning, typeof code === 'string' ? code : 'it was ended');
    }
  }

  #ended = (tuning: JudgeTuningView, tuned: Tuned): JudgeTuningView => ({
    ...tuning,
    ...tuned,
    state: tuned.best === null ? 'none' : 'found',
    endedAt: this.#now(),
  });

  /** Neither a stop nor a fault of the way takes away what an earlier one found. */
  async #keepFailed(tenant: string, tuning: JudgeTuningView, reason: string): Promise<void> {
    const failed: JudgeTuningView = { ...tuning, state: 'failed', reason, endedAt: this.#now() };
    try {
      const { tunings } = await this.#read(tenant);
      const before = tunings.find(({ model, state }) => model === tuning.model && state !== 'failed');
      if (before !== undefined) return;
      await this.#parts.store.write(who, (tx) => putTuning(tx, tenant, failed, this.#parts.clock.wall()));
    } catch (error) {
      this.#parts.log.error('what came of a tuning is not kept', { error });
    }
  }

  /**
   * What the newest tuning found is what the model is told from now on; `usual` takes that back. `author`: id of the key.
   * @returns `why` when that is not what was found: nobody approves of what they have not seen
   */
  async approve(
    tenant: string,
    author: string,
    { model, prompt }: ApproveJudge,
  ): Promise<{ approved: ApprovedJudge | null } | { why: string }> {
    const { store, clock } = this.#parts;
    const approvedAt = clock.wall();
    return store.write(who, async (tx) => {
      if (prompt === 'usual') {
        await setInstructions(tx, tenant, model, { instructions: null, approved_by: author, approved_at: approvedAt });
        return { approved: null };
      }
      const { tunings } = await readKnown(tx, tenant);
      const best = tunings.find((one) => one.model === model)?.best;
      if (best?.prompt !== prompt) return { why: 'the newest tuning of this model did not find these instructions' };
      const { instructions } = best;
      await setInstructions(tx, tenant, model, { instructions, approved_by: author, approved_at: approvedAt });
      return {
        approved: { model, prompt, instructions, approvedBy: author, approvedAt: new Date(approvedAt).toISOString() },
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the arena ends'));
    await Promise.all([...this.#running.values()].map(({ end }) => end));
  }
}
