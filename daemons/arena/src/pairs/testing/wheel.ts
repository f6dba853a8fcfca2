/** A flywheel on a store of its own, with runs written as their rows and pairs as runs end. */
import { FakeClock } from '@labmesh/kit/clock';
import { type Logger, silentLogger } from '@labmesh/kit/log';
import type { SqlStore } from '@labmesh/store/sql-store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { createDatasetSchema, type Dataset } from '@labmesh/wire/verification/datasets';
import { Flywheel } from '../flywheel/flywheel.ts';
import { openPairs, type Pairs } from '../pairs.ts';
import { sampleRun } from './sample-run.ts';
import { addRunRows, type RunChanges } from './run-rows.ts';
import { sampleAnswer, sampleCandidate } from './sample-run.ts';

const tester = system('wheel test');
const tables = ['arena_triplets', 'arena_datasets', 'arena_dataset_rows', 'arena_batches', 'arena_runs'] as const;
const others = ['arena_candidates', 'arena_verdicts', 'arena_matches', 'arena_labels', 'leases'] as const;

const keeps = (tenant: string) => tenant !== 'gone';

export const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );

export class Wheel {
  readonly #openStore: () => Promise<SqlStore>;
  store!: SqlStore;
  pairs!: Pairs;
  clock = new FakeClock();
  #made = 0;

  constructor(openStore: () => Promise<SqlStore>) {
    this.#openStore = openStore;
  }

  async open(): Promise<void> {
    this.store = await this.#openStore();
  }

  async empty(): Promise<void> {
    await this.store.write(tester, async (tx) => {
      for (const table of [...tables, ...others]) await tx.deleteFrom(table).execute();
    });
    const { store, clock } = this;
    this.pairs = await openPairs({ store, clock, logger: silentLogger, mayTrain: () => true, keeps });
  }

  get batches(): Pairs['batches'] {
    return this.pairs.batches;
  }

  /** `gone` took its consent back, `other` may not train; three pairs propose a version. */
  flywheel({ auto = false, logger = silentLogger }: { auto?: boolean; logger?: Logger } = {}): Flywheel {
    return new Flywheel({
      store: this.store,
      clock: this.clock,
      logger,
      batches: this.batches,
      settings: { everyMs: 60_000, batchPairs: 3, auto },
      keeps,
      mayTrain: (tenant) => tenant !== 'other',
    });
  }

  /** Rows of a run that ended, with one valid and one invalid answer. @returns its id */
  endedRun(changes: RunChanges = {}): Promise<string> {
    return addRunRows(this.store, { id: uuidv7(), ...changes });
  }

  /** So many pairs, made a moment after whatever was decided before. */
  async add(count: number, tenant = 'acme'): Promise<void> {
    for (let at = 0; at < count; at++) {
      await this.clock.advance(1);
      const answers = [
        sampleCandidate(0, sampleAnswer(`right ${++this.#made}`, 'valid'), { score: 1 }),
        sampleCandidate(1, sampleAnswer('wrong', 'invalid')),
      ];
      await this.pairs.onFinished(sampleRun(answers, { tenant, finishedAt: this.clock.wall() }), null);
    }
  }

  freeze(name: string, filters: object = {}): Promise<Dataset> {
    return this.pairs.createDataset('acme', 'k', createDatasetSchema.parse({ name, filters }));
  }

  /** Of the pairs of a version. */
  async idsOf(ref: string): Promise<string[]> {
    const { id } = await this.pairs.getDataset('acme', ref);
    const found = await this.store.read(tester, (db) =>
      db.selectFrom('arena_dataset_rows').select('triplet_id').where('dataset_id', '=', id).execute(),
    );
    return found.map((row) => row.triplet_id);
  }
}
