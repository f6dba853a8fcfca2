/**
 * Preference data of all tenants: runs go in, pairs are kept, versions are frozen and exported (verification section 9).
 * Every call names the tenant first, and nothing of another one is seen or changed (P6).
 */
import type { Logger } from '@labmesh/kit/log';
import type { Page } from '@labmesh/store/page';
import { system } from '@labmesh/wire/fleet/principal';
import type {
  CreateDataset,
  Dataset,
  StageDataset,
  TripletStats,
  TripletSummary,
  TripletsRemoved,
} from '@labmesh/wire/verification/datasets';
import type { Triplet } from '@labmesh/wire/verification/preference';
import type { FinishedRun } from '../contract/finished-run.ts';
import { AtMost } from './at-most.ts';
import { countDatasets, getDataset, listDatasets } from './dataset-rows.ts';
import { type Alongside, Datasets, type DatasetsParts } from './datasets.ts';
import { Exports } from './export/exports.ts';
import { Batches } from './flywheel/batches.ts';
import { type PairsOfRun, pairsOfRun } from './pairs-of-run.ts';
import { Reviews } from './review/reviews.ts';
import {
  getTriplet,
  insertTriplets,
  listTriplets,
  type ListTriplets,
  type Removal,
  removeTriplets,
  tripletStats,
} from './triplet-rows.ts';

export type PairsParts = DatasetsParts & {
  /** `training.tenants`: asked at each export. */
  mayTrain: (tenant: string) => boolean;
  /** `arena.capture`; absent: of nobody. */
  keeps?: ((tenant: string) => boolean) | undefined;
};

const worker = system('pairs');
/** Of all tenants together. */
export const freezesMost = 4;

export class Pairs {
  /** For faults that callers may not read. */
  readonly logger: Logger;
  /** Versions that the arena proposes. */
  readonly batches: Batches;
  /** What people say of answers. */
  readonly reviews: Reviews;
  readonly #parts: PairsParts;
  readonly #datasets: Datasets;
  readonly #exports: Exports;
  readonly #freezing = new AtMost(freezesMost, 'versions are made');

  constructor(parts: PairsParts) {
    this.logger = parts.logger;
    this.#parts = parts;
    this.#datasets = new Datasets(parts);
    this.#exports = new Exports(parts.store, parts.mayTrain);
    this.reviews = new Reviews({ ...parts, keeps: parts.keeps ?? (() => false) });
    this.batches = new Batches({ ...parts, create: (...asked) => this.createDataset(...asked) });
  }

  /** Keeps the pairs of a run; again for the same run adds none. `certificateId`: the run's, when it has one. */
  async onFinished(
    run: FinishedRun,
    certificateId: string | null,
  ): Promise<{ added: number; leftOut: PairsOfRun['leftOut'] }> {
    const { pairs, leftOut } = pairsOfRun(run, certificateId);
    if (pairs.length === 0) return { added: 0, leftOut };
    return { added: await this.#parts.store.write(worker, (tx) => insertTriplets(tx, pairs)), leftOut };
  }

  /** @throws FleetError VALIDATION_FAILED (cursor) */
  list(tenant: string, ask: ListTriplets): Promise<Page<TripletSummary>> {
    return this.#parts.store.read(worker, (db) => listTriplets(db, tenant, ask));
  }

  /** @throws PairsError TRIPLET_NOT_FOUND */
  get(tenant: string, id: string): Promise<Triplet> {
    return this.#parts.store.read(worker, (db) => getTriplet(db, tenant, id));
  }

  async stats(tenant: string): Promise<TripletStats> {
    const { store, mayTrain } = this.#parts;
    const counted = await store.read(worker, (db) => tripletStats(db, tenant));
    const datasets = await store.read(worker, (db) => countDatasets(db, tenant));
    return { ...counted, datasets, trainingAllowed: mayTrain(tenant) };
  }

  /** Deletes pairs for good; versions that hold them are tainted. */
  remove(tenant: string, what: Removal): Promise<TripletsRemoved> {
    return this.#parts.store.write(worker, (tx) => removeTriplets(tx, tenant, what));
  }

  /** `author`: id of the key that asks. @throws PairsError DATASET_EMPTY, DATASET_TOO_LARGE, DATASETS_FULL, DATASET_MOVED, PAIRS_BUSY */
  createDataset(tenant: string, author: string, wanted: CreateDataset, also?: Alongside): Promise<Dataset> {
    return this.#freezing.run(() => this.#datasets.create(tenant, author, wanted, also));
  }

  /** What a training run says of the version. @throws PairsError DATASET_NOT_FOUND, DATASET_STAGE */
  stageDataset(tenant: string, ref: string, wanted: StageDataset): Promise<Dataset> {
    return this.#datasets.stage(tenant, ref, wanted);
  }

  /** @throws FleetError VALIDATION_FAILED (cursor) */
  listDatasets(tenant: string, ask: { limit: number; cursor?: string | undefined }): Promise<Page<Dataset>> {
    return this.#parts.store.read(worker, (db) => listDatasets(db, tenant, ask));
  }

  /** By id, `name` (its newest version) or `name@3`. @throws PairsError DATASET_NOT_FOUND */
  getDataset(tenant: string, ref: string): Promise<Dataset> {
    return this.#parts.store.read(worker, (db) => getDataset(db, tenant, ref));
  }

  /** @see Exports.exportable */
  exportable(tenant: string, ref: string): Promise<Dataset> {
    return this.#exports.exportable(tenant, ref);
  }

  /** @see Exports.write */
  exportDataset(...asked: Parameters<Exports['write']>): ReturnType<Exports['write']> {
    return this.#exports.write(...asked);
  }

  /** Logs versions that a crash or a busy log left. Never rejects. */
  settle(): Promise<void> {
    return this.#datasets.settle();
  }
}

/** The store's schema stands. What an earlier process left unlogged is logged now. */
export async function openPairs(parts: PairsParts): Promise<Pairs> {
  const pairs = new Pairs(parts);
  await pairs.settle();
  return pairs;
}
