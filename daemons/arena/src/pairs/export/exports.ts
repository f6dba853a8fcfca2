/** Who may export what (PD3): consent is asked each time, a version that lost rows is none any more. */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Dataset, ExportEnd } from '@labmesh/wire/verification/datasets';
import type { ExportFormat } from '@labmesh/wire/verification/preference';
import { AtMost } from '../at-most.ts';
import { getDataset } from '../dataset-rows.ts';
import { PairsError } from '../pairs-error.ts';
import { exportPairs } from '../stage-rows.ts';
import { type ExportSink, writeExport } from './export-dataset.ts';

/** Of all tenants together. */
export const exportsMost = 16;
const worker = system('pairs');

export class Exports {
  readonly #store: Store;
  readonly #mayTrain: (tenant: string) => boolean;
  readonly #running = new AtMost(exportsMost, 'exports run');

  constructor(store: Store, mayTrain: (tenant: string) => boolean) {
    this.#store = store;
    this.#mayTrain = mayTrain;
  }

  /** What an export starts with; made before its answer begins. @throws PairsError as `write`, before any event */
  async exportable(tenant: string, ref: string): Promise<Dataset> {
    const dataset = await this.#store.read(worker, (db) => getDataset(db, tenant, ref));
    if (!this.#mayTrain(tenant)) {
      throw new PairsError('TRAINING_NOT_ALLOWED', 'this tenant has not opted into training (training.tenants)');
    }
    if (dataset.state === 'frozen') return dataset;
    throw new PairsError('DATASET_TAINTED', 'pairs of this version were deleted; make another version');
  }

  /**
   * Gives the events of wire's exportEventSchema to the sink, one at a time. A version that went out whole is `exported`.
   * @throws PairsError DATASET_NOT_FOUND, TRAINING_NOT_ALLOWED, DATASET_TAINTED, DATASET_DAMAGED, PAIRS_BUSY; what the sink throws
   */
  async write(
    tenant: string,
    ref: string,
    format: ExportFormat,
    sink: ExportSink,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<ExportEnd> {
    const dataset = await this.exportable(tenant, ref);
    const ask = { store: this.#store, tenant, dataset, format, sink, signal };
    const end = await this.#running.run(() => writeExport(ask));
    await this.#store.write(worker, (tx) => exportPairs(tx, tenant, dataset.id));
    return end;
  }
}
