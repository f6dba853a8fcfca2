/**
 * Versions (verification PD3): chosen outside any transaction, since that reads much; written in one that sees to it that
 * every chosen pair still stands; then logged. What a crash leaves unlogged is logged by the next version or `settle`.
 */
import { entryBytes } from '@labmesh/attest/merkle/log-entry';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { isUniqueViolation } from '@labmesh/store/store-errors';
import type { Store, Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { CreateDataset, Dataset, StageDataset } from '@labmesh/wire/verification/datasets';
import { chooseRows } from './choose-rows.ts';
import { Contamination } from './contamination.ts';
import { type DatasetDraft, getDataset, insertDataset, setLogIndex, unloggedDatasets } from './dataset-rows.ts';
import { PairsError } from './pairs-error.ts';
import { trainPairs } from './stage-rows.ts';

/** The transparency log; LogWriter of attest has this form. Resolves with the entry's place once it is on disk. */
export type DatasetLog = { add: (entry: Uint8Array) => Promise<number> };

export type DatasetsParts = {
  store: Store;
  clock: Clock;
  logger: Logger;
  /** Texts that no version may hold: cases of suites, held-out prompts. Kept nowhere. */
  protectedTexts?: ((tenant: string) => AsyncIterable<string>) | undefined;
  log?: DatasetLog | undefined;
};

export type Alongside = (tx: Writer, datasetId: string) => Promise<void>;

/** Pairs may be deleted, and versions made, while one is chosen. */
const triesMost = 3;
/** Versions that one call logs. */
const logAtOnce = 100;
const worker = system('pairs');

export class Datasets {
  readonly #parts: DatasetsParts;
  #settling: Promise<void> = Promise.resolve();

  constructor(parts: DatasetsParts) {
    this.#parts = parts;
  }

  /**
   * `also` is written with the version, or not at all.
   * @throws PairsError DATASET_EMPTY, DATASET_TOO_LARGE, DATASETS_FULL, DATASET_MOVED; what `also` throws
   */
  async create(tenant: string, author: string, { name, filters }: CreateDataset, also?: Alongside): Promise<Dataset> {
    const { store, clock, logger, protectedTexts } = this.#parts;
    const contamination = await Contamination.of(protectedTexts?.(tenant) ?? []);
    const draft = { tenant, name, author, filters, createdAt: clock.wall() };
    const { id, leftOut } = await this.#freeze(draft, contamination, also);
    if (leftOut.damaged > 0) logger.error('stored pairs are damaged', { tenant, count: leftOut.damaged });
    await this.settle();
    return store.read(worker, (db) => getDataset(db, tenant, id));
  }

  /** @throws PairsError DATASET_NOT_FOUND, DATASET_STAGE */
  async stage(tenant: string, ref: string, wanted: StageDataset): Promise<Dataset> {
    const { store } = this.#parts;
    const { id } = await store.read(worker, (db) => getDataset(db, tenant, ref));
    await store.write(worker, (tx) => trainPairs(tx, tenant, id, wanted));
    return store.read(worker, (db) => getDataset(db, tenant, id));
  }

  async #freeze(draft: DatasetDraft, contamination: Contamination, also?: Alongside) {
    const { store } = this.#parts;
    for (let tries = 1; ; tries++) {
      const chosen = await chooseRows(store, draft.tenant, draft.filters, contamination);
      try {
        const id = await store.write(worker, async (tx) => {
          const made = await insertDataset(tx, draft, chosen);
          await also?.(tx, made);
          return made;
        });
        return { id, leftOut: chosen.leftOut };
      } catch (error) {
        // Another process took the number, or a pair is gone.
        const moved = isUniqueViolation(error) || (error instanceof PairsError && error.code === 'DATASET_MOVED');
        if (!moved || tries === triesMost) throw moved ? movedError() : error;
      }
    }
  }

  /** Logs what is not logged. Never rejects: a version without a place in the log says so by `logIndex` null. */
  settle(): Promise<void> {
    this.#settling = this.#settling.then(() =>
      this.#logAll().catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : 'unknown';
        this.#parts.logger.warn('versions of preference data are not logged yet', { reason });
      }),
    );
    return this.#settling;
  }

  async #logAll(): Promise<void> {
    const { store, log } = this.#parts;
    if (log === undefined) return;
    const rows = await store.read(worker, (db) => unloggedDatasets(db, logAtOnce));
    // Side by side: the log gathers them into one group.
    await Promise.all(
      rows.map(async ({ id, sha256, created_at: at }) => {
        const time = new Date(at).toISOString();
        const index = await log.add(entryBytes({ v: 1, kind: 'dataset', id, sha256, time }));
        await store.write(worker, (tx) => setLogIndex(tx, id, index));
      }),
    );
  }
}

const movedError = () => new PairsError('DATASET_MOVED', 'pairs or versions changed meanwhile; try again');
