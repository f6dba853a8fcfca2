import { afterAll, beforeAll, describe, test } from 'bun:test';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { type Postgres, postgresAvailable, startPostgres } from './start-postgres.ts';

/** A suite on SQLite in memory and, where it is installed, on a PostgreSQL; `openUrl` gives an empty database. */
export function onBothEngines(suite: (name: string, openUrl: () => Promise<string>) => void): void {
  suite('SQLite', () => Promise.resolve('sqlite::memory:'));
  const missing = postgresAvailable();
  test.skipIf(missing !== undefined)(`PostgreSQL is here (${missing ?? 'it is'})`, () => {});
  if (missing !== undefined) return;
  let server: Postgres | undefined;
  suite('PostgreSQL', async () => {
    server = await startPostgres();
    return server.createDatabase();
  });
  afterAll(() => server?.[Symbol.asyncDispose](), 60_000);
}

/** As `onBothEngines`, each with a store of its own, which `store` gives inside of tests. */
export function onBothStores(suite: (store: () => Store) => void): void {
  onBothEngines((name, openUrl) => {
    describe(name, () => {
      let opened: Store | undefined;
      beforeAll(async () => {
        opened = await openStore({ url: await openUrl() });
      }, 60_000);
      afterAll(() => opened?.[Symbol.asyncDispose]());
      suite(() => {
        if (opened === undefined) throw new Error('the store is open inside of tests');
        return opened;
      });
    });
  });
}
