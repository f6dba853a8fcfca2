/** The suites of tenants: rows of arena_suites, each sealed. A tenant reaches its own and no other's (verification P6). */
import { system } from '@labmesh/wire/fleet/principal';
import type { Store } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Suite } from '@labmesh/wire/verification/suite';
import { asSuite, suiteBytes, suiteDigest } from './parse-suite.ts';
import { SuiteRefused } from './suite-refused.ts';
import type { SuiteSealer } from './suite-sealer.ts';

/** What may be told of a suite to whoever owns it; no case is in here. */
export type SuiteSummary = {
  id: string;
  sha256: string;
  language: string;
  cases: number;
  createdBy: string;
  /** Unix ms. */
  createdAt: number;
};

/** Suites of one tenant. */
export const suitesMost = 1_000;

const principal = system('arena-suites');

type SuiteRow = {
  name: string;
  sha256: string;
  language: string;
  cases: number;
  created_by: string;
  created_at: number;
};
const summaryOf = (row: SuiteRow): SuiteSummary => ({
  id: row.name,
  sha256: row.sha256,
  language: row.language,
  cases: row.cases,
  createdBy: row.created_by,
  createdAt: row.created_at,
});
const told = ['name', 'sha256', 'language', 'cases', 'created_by', 'created_at'] as const;

export class SuiteShelf {
  readonly #store: Store;
  readonly #sealer: SuiteSealer;

  constructor(store: Store, sealer: SuiteSealer) {
    this.#store = store;
    this.#sealer = sealer;
  }

  /**
   * Stores a suite under its id, in place of one of that id. `by`: who uploads it.
   * @throws SuiteRefused SUITES_FULL
   */
  async put(tenant: string, suite: Suite, by: string): Promise<SuiteSummary> {
    const values = {
      sha256: suiteDigest(suite),
      language: suite.language,
      cases: suite.cases.length,
      sealed: this.#sealer.seal(tenant, suite.id, suiteBytes(suite)),
      created_by: by,
      created_at: this.#store.clock.wall(),
    };
    await this.#store.write(principal, async (tx) => {
      const mine = tx.selectFrom('arena_suites').where('tenant', '=', tenant);
      const before = await mine.select('revision').where('name', '=', suite.id).executeTakeFirst();
      if (before !== undefined) {
        await tx
          .updateTable('arena_suites')
          .set((eb) => ({ ...values, revision: eb('revision', '+', 1) }))
          .where('tenant', '=', tenant)
          .where('name', '=', suite.id)
          .execute();
        return;
      }
      const { count } = await mine.select((eb) => eb.fn.countAll().as('count')).executeTakeFirstOrThrow();
      if (Number(count) >= suitesMost) {
        throw new SuiteRefused('SUITES_FULL', `a tenant has at most ${suitesMost} suites; remove one first`);
      }
      await tx
        .insertInto('arena_suites')
        .values({ id: uuidv7(), tenant, name: suite.id, ...values })
        .execute();
    });
    return summaryOf({ name: suite.id, ...values });
  }

  /**
   * The suite of that id with its digest; undefined when this tenant has none.
   * @throws SuiteRefused SUITE_UNREADABLE
   */
  async get(tenant: string, id: string): Promise<{ suite: Suite; sha256: string } | undefined> {
    const row = await this.#store.read(principal, (db) =>
      db
        .selectFrom('arena_suites')
        .select(['sealed', 'sha256'])
        .where('tenant', '=', tenant)
        .where('name', '=', id)
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    const bytes = this.#sealer.open(tenant, id, row.sealed);
    const suite = asSuite(JSON.parse(new TextDecoder().decode(bytes)));
    if (suiteDigest(suite) !== row.sha256) {
      throw new SuiteRefused('SUITE_UNREADABLE', 'the digest of this suite is not the one it was stored with');
    }
    return { suite, sha256: row.sha256 };
  }

  /** By id, all: there are at most {@link suitesMost}. */
  async list(tenant: string): Promise<SuiteSummary[]> {
    const rows = await this.#store.read(principal, (db) =>
      db.selectFrom('arena_suites').select(told).where('tenant', '=', tenant).orderBy('name').execute(),
    );
    return rows.map(summaryOf);
  }

  /** False when there was none. */
  async remove(tenant: string, id: string): Promise<boolean> {
    const gone = await this.#store.write(principal, (tx) =>
      tx.deleteFrom('arena_suites').where('tenant', '=', tenant).where('name', '=', id).executeTakeFirst(),
    );
    return gone.numDeletedRows > 0n;
  }
}
