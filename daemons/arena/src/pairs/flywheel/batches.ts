/**
 * Versions that the arena proposes (PD6): enough pairs wait, a person says yes or no, the version is made. Approval is
 * written before the version and the version with its end, so a process that dies between the two leaves what the next
 * pass makes up for, and no batch gets two.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Page } from '@labmesh/store/page';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import {
  type Batch,
  type CreateDataset,
  type Dataset,
  datasetFiltersSchema,
} from '@labmesh/wire/verification/datasets';
import type { Alongside } from '../datasets.ts';
import { PairsError, type PairsErrorCode } from '../pairs-error.ts';
import * as rows from './batch-rows.ts';
import { distillationOf } from './distillation.ts';

export type BatchesParts = {
  store: Store;
  clock: Clock;
  logger: Logger;
  create: (tenant: string, author: string, wanted: CreateDataset, also: Alongside) => Promise<Dataset>;
};

const worker = system('flywheel');
/** Of a version whose batch was given no name. */
const usualName = 'batch';
/** Tenants, and approved batches, of one pass. */
const atOnce = 1_000;
/** Another try would end the same: the batch has failed. */
const lasting: readonly PairsErrorCode[] = ['DATASET_EMPTY', 'DATASET_TOO_LARGE', 'DATASETS_FULL'];

type Approved = { id: string; tenant: string; name: string; by: string };

export class Batches {
  readonly #parts: BatchesParts;

  constructor(parts: BatchesParts) {
    this.#parts = parts;
  }

  /** @throws FleetError VALIDATION_FAILED (cursor) */
  list(tenant: string, ask: { limit: number; cursor?: string | undefined }): Promise<Page<Batch>> {
    return this.#parts.store.read(worker, (db) => rows.listBatches(db, tenant, ask));
  }

  /** @throws PairsError BATCH_NOT_FOUND */
  get(tenant: string, id: string): Promise<Batch> {
    return this.#parts.store.read(worker, (db) => rows.getBatch(db, tenant, id));
  }

  /** What there is beside pairs, for who decides what is trained on. */
  figures(tenant: string): ReturnType<typeof distillationOf> {
    return this.#parts.store.read(worker, (db) => distillationOf(db, tenant, this.#parts.clock.wall()));
  }

  /**
   * Makes the version; when the arena is too busy for it the batch stays `approved`, and the next pass makes it.
   * @param author id of the key that says so
   * @throws PairsError BATCH_NOT_FOUND, BATCH_DECIDED, DATASET_EMPTY, DATASET_TOO_LARGE, DATASETS_FULL
   */
  async approve(tenant: string, id: string, author: string, name?: string): Promise<Batch> {
    const { store, clock } = this.#parts;
    const decision = { tenant, id, by: author, at: clock.wall(), name };
    await store.write(worker, (tx) => rows.decideBatch(tx, 'approved', decision));
    const batch = await this.get(tenant, id);
    await this.#freeze({ id, tenant, name: batch.name, by: author });
    return this.get(tenant, id);
  }

  /** Its pairs stay, and propose nothing again by themselves. @throws PairsError BATCH_NOT_FOUND, BATCH_DECIDED */
  async reject(tenant: string, id: string, author: string): Promise<Batch> {
    const { store, clock } = this.#parts;
    await store.write(worker, (tx) => rows.decideBatch(tx, 'rejected', { tenant, id, by: author, at: clock.wall() }));
    return this.get(tenant, id);
  }

  /** A batch for each tenant with so many pairs in no version since its last decision, and none open. @returns how many */
  async propose(least: number, auto: boolean, mayTrain: (tenant: string) => boolean): Promise<number> {
    const { store, clock } = this.#parts;
    let proposed = 0;
    for (const { tenant, pairs } of await store.read(worker, (db) => rows.tenantsWaiting(db, least, atOnce))) {
      const decided = await store.read(worker, (db) => rows.lastDecision(db, tenant));
      if (decided === undefined || !mayTrain(tenant)) continue;
      if ((await store.read(worker, (db) => rows.countPending(db, tenant, decided))) < least) continue;
      const draft = { tenant, pairs, name: usualName, createdAt: clock.wall(), by: auto ? 'auto' : null };
      await store.write(worker, (tx) => rows.addBatch(tx, draft));
      proposed++;
    }
    return proposed;
  }

  /** Versions of what was approved and has none. What fails is told in the batch and the log. */
  async settle(signal: AbortSignal): Promise<void> {
    const { store, logger } = this.#parts;
    for (const { decided_by: by, ...batch } of await store.read(worker, (db) => rows.approvedBatches(db, atOnce))) {
      if (signal.aborted) return;
      try {
        await this.#freeze({ ...batch, by: by ?? 'auto' });
      } catch (error) {
        if (!(error instanceof PairsError)) throw error;
        logger.warn('an approved batch has no version', { tenant: batch.tenant, batch: batch.id, code: error.code });
      }
    }
  }

  async #freeze({ id, tenant, name, by }: Approved): Promise<void> {
    const { store, create, logger } = this.#parts;
    const filters = datasetFiltersSchema.parse({ pending: true });
    try {
      await create(tenant, by, { name, filters }, (tx, datasetId) => rows.closeBatch(tx, id, { datasetId }));
    } catch (error) {
      if (!(error instanceof PairsError)) throw error;
      const { code } = error;
      if (!lasting.includes(code)) {
        // Another made it, or it is made later.
        logger.info('a batch waits for its version', { tenant, batch: id, code });
        return;
      }
      await store.write(worker, (tx) => rows.closeBatch(tx, id, { fault: code }));
      throw error;
    }
  }
}
