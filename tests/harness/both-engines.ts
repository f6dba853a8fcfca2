import { afterAll, test } from 'bun:test';
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
