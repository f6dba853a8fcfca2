/**
 * Usage per key and model. Counts are gathered here and added to the store a few seconds later, many at a time, so that
 * no request waits for it and the sums of several replicas are one.
 */
import { join } from 'node:path';
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { importUsageFile } from './import-usage-file.ts';
import { addUsage, usageBy, type UsageCounts, type UsageSums } from './usage-rows.ts';

const saveDelayMs = 5_000;
/** Rows of (key, model) that wait for the store one by one; the rest is summed under `_other`. */
export const rowsMax = 10_000;
const who = system('usage');

export type MeterParts = {
  store: Store;
  /** Where older versions kept `usage.json`. */
  folder: string;
  clock: Clock;
  /** The store did not take them: they wait here, and are tried again. */
  onError: (error: unknown) => void;
};

const none = (): UsageCounts => ({
  requests: 0,
  errors: 0,
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  estimated: 0,
});

export class Meter implements AsyncDisposable {
  readonly #parts: MeterParts;
  /** What the store does not have yet. */
  #waiting = new Map<string, UsageSums>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(parts: MeterParts) {
    this.#parts = parts;
  }

  /** Brings the sums of an older version along. @throws Error for a damaged file; StoreUnavailable */
  static async open(parts: MeterParts): Promise<Meter> {
    await importUsageFile(parts.store, join(parts.folder, 'usage.json'), parts.clock.wall());
    return new Meter(parts);
  }

  /** Books one request. */
  book(key: string, model: string, outcome: RelayOutcome): void {
    const { usage } = outcome;
    this.#add({
      key,
      model,
      requests: 1,
      errors: outcome.status >= 400 || outcome.code !== undefined ? 1 : 0,
      promptTokens: usage?.promptTokens ?? 0,
      completionTokens: usage?.completionTokens ?? 0,
      cachedTokens: usage?.cachedTokens ?? 0,
      estimated: usage?.estimated === true ? 1 : 0,
    });
    this.#saveSoon();
  }

  #add({ key, model, ...counts }: UsageSums): void {
    const row = this.#row(key, model);
    for (const name of Object.keys(counts) as (keyof UsageCounts)[]) row[name] += counts[name];
  }

  /** A model's name is known here only after it was resolved, so the rows are bounded by keys × known models. */
  #row(key: string, model: string): UsageSums {
    const id = `${key}\n${model}`;
    let row = this.#waiting.get(id);
    if (row !== undefined) return row;
    if (this.#waiting.size >= rowsMax && model !== '_other') return this.#row(key, '_other');
    row = { key, model, ...none() };
    this.#waiting.set(id, row);
    return row;
  }

  #saveSoon(): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#flush().catch((error: unknown) => {
        this.#parts.onError(error);
        this.#saveSoon();
      });
    }, saveDelayMs).unref();
  }

  /** Adds what waits, after what is being added. @throws what the store says; nothing is lost then. */
  #flush(): Promise<void> {
    const before = this.#flushing.catch(() => undefined);
    this.#flushing = before.then(async () => {
      const rows = [...this.#waiting.values()];
      if (rows.length === 0) return;
      this.#waiting = new Map();
      const { store, clock } = this.#parts;
      try {
        await store.write(who, (tx) => addUsage(tx, rows, clock.wall()));
      } catch (error) {
        for (const row of rows) this.#add(row);
        throw error;
      }
    });
    return this.#flushing;
  }

  /** Sums of all replicas by key id or by model; of this one up to now. @throws what the store says */
  async by(what: 'key' | 'model'): Promise<(UsageCounts & { id: string })[]> {
    await this.#flush();
    return usageBy(this.#parts.store, what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#flush().catch(this.#parts.onError);
  }
}
