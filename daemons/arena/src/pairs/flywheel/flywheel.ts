/**
 * The flywheel (PD6): every minute, ended runs become pairs, enough pairs a proposed version, and labels without a place
 * find their leaderboard. A reconciler without input, safe to run twice; one process at a time holds its lease.
 */
import type { Clock } from '@labmesh/kit/clock';
import { releaseLease, takeLease } from '@labmesh/store/lease';
import { uuidv7 } from '@labmesh/wire/ids';
import { LabelPlaces } from '../review/label-place.ts';
import type { Batches } from './batches.ts';
import { type Harvested, type HarvestParts, harvestRuns } from './harvest.ts';

export type FlywheelSettings = {
  /** Between two passes. */
  everyMs: number;
  /** Pairs in no version that propose one. */
  batchPairs: number;
  /** Proposals approve themselves; otherwise a person does. */
  auto: boolean;
};

export type FlywheelParts = HarvestParts & {
  clock: Clock;
  batches: Batches;
  settings: FlywheelSettings;
  /** `training.tenants`: nothing is proposed that may not be exported. */
  mayTrain: (tenant: string) => boolean;
};

/** Runs of one pass. */
const runsMost = 1_000;
const leaseName = 'arena-flywheel';
/** Longer than a pass of so many runs takes. */
const leaseMs = 300_000;

export class Flywheel implements AsyncDisposable {
  readonly #parts: FlywheelParts;
  readonly #owner: string;
  readonly #places: LabelPlaces;
  readonly #closing = new AbortController();
  #turning: Promise<void> | undefined;

  constructor(parts: FlywheelParts) {
    this.#parts = parts;
    this.#places = new LabelPlaces(parts.store, parts.keeps);
    // An SQLite store has one process: the lease of the one before it is nobody's.
    this.#owner = parts.store.engine === 'sqlite' ? 'local' : uuidv7();
  }

  /** Turns until it is disposed; the first pass is at once. */
  start(): this {
    this.#turning ??= this.#turn();
    return this;
  }

  /** One pass; undefined when another process has the lease. @throws FleetError when the database is away */
  async pass(): Promise<(Harvested & { proposed: number; placed: number }) | undefined> {
    const { store, batches, settings, mayTrain } = this.#parts;
    if (!(await takeLease(store, leaseName, this.#owner, leaseMs))) return undefined;
    const { signal } = this.#closing;
    try {
      const harvested = await harvestRuns(this.#parts, runsMost, signal);
      const proposed = await batches.propose(settings.batchPairs, settings.auto, mayTrain);
      await batches.settle(signal);
      const placed = await this.#places.pass();
      return { ...harvested, proposed, placed };
    } finally {
      // Away with the database, it runs out by itself.
      await releaseLease(store, leaseName, this.#owner).catch(() => {});
    }
  }

  async #turn(): Promise<void> {
    const { clock, logger, settings } = this.#parts;
    while (!this.#closing.signal.aborted) {
      try {
        const done = await this.pass();
        if (done !== undefined && done.runs + done.proposed + done.placed > 0)
          logger.info('runs were looked at for pairs', done);
      } catch (error) {
        logger.warn('runs could not be looked at for pairs; again in a moment', { error });
      }
      await clock.sleep(settings.everyMs, this.#closing.signal).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#turning;
  }
}
