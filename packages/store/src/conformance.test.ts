import { afterAll, beforeAll, describe, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { type Postgres, postgresAvailable, startPostgres } from '../../../tests/harness/start-postgres.ts';
import type { InjectFaults } from './faults.ts';
import { openStore } from './open-store.ts';
import type { SqlStore } from './sql-store.ts';
import { closingConformance, storeConformance } from './testing/conformance.ts';
import { partsConformance } from './testing/parts-conformance.ts';
import { TempFolder } from './testing/temp-store.ts';

type Place = { nextUrl: () => Promise<string>; end: () => Promise<void> };

function suite(name: string, place: () => Promise<Place>, injectFaults?: InjectFaults): void {
  describe(name, () => {
    let at: Place;
    let store: SqlStore;
    const open = async () =>
      openStore({ url: await at.nextUrl(), clock: new FakeClock(), ...(injectFaults && { injectFaults }) });
    beforeAll(async () => {
      at = await place();
      store = await open();
    }, 60_000);
    afterAll(async () => {
      await store?.[Symbol.asyncDispose]();
      await at?.end();
    });
    storeConformance(() => store);
    partsConformance(() => store, open);
    closingConformance(open);
  });
}

const memory = (): Promise<Place> =>
  Promise.resolve({ nextUrl: () => Promise.resolve('sqlite::memory:'), end: () => Promise.resolve() });

function files(): Promise<Place> {
  const folder = new TempFolder();
  return Promise.resolve({ nextUrl: folder.nextUrl, end: () => Promise.resolve(folder[Symbol.dispose]()) });
}

suite('SQLite in memory', memory);
suite('SQLite file', files);
suite('SQLite file, 40001 at every statement', files, 'every-statement');
suite('SQLite file, every write twice', files, 'twice');

function postgres(): void {
  let server: Postgres;
  let template: string;
  beforeAll(async () => {
    server = await startPostgres();
    template = await server.createDatabase();
    await (await openStore({ url: template }))[Symbol.asyncDispose]();
  }, 60_000);
  afterAll(() => server?.[Symbol.asyncDispose](), 60_000);
  const databases = (): Promise<Place> =>
    Promise.resolve({ nextUrl: () => server.createDatabase({ template }), end: () => Promise.resolve() });
  suite('as it is', databases);
  suite('40001 at every statement', databases, 'every-statement');
}
const missing = postgresAvailable();
test.skipIf(missing !== undefined)(`PostgreSQL is here (${missing ?? 'it is'})`, () => {});
if (missing === undefined) describe('PostgreSQL', postgres);

/** A fresh database of the server that TEST_COCKROACH_URL names. */
const cockroach = process.env['TEST_COCKROACH_URL'];
const cockroachDatabases = (): Promise<Place> => {
  const made: string[] = [];
  const run = async (text: string) => {
    await using sql = new Bun.SQL(cockroach ?? '', { max: 1 });
    await sql.unsafe(text);
  };
  const nextUrl = async () => {
    const name = `labmesh_test_${crypto.randomUUID().slice(0, 8)}`;
    await run(`create database ${name}`);
    made.push(name);
    const url = new URL(cockroach ?? '');
    url.pathname = `/${name}`;
    return url.href;
  };
  const end = async () => {
    for (const name of made) await run(`drop database ${name} cascade`);
  };
  return Promise.resolve({ nextUrl, end });
};
function cockroachDb(): void {
  suite('as it is', cockroachDatabases);
  suite('40001 at every statement', cockroachDatabases, 'every-statement');
}
if (cockroach !== undefined) describe('CockroachDB', cockroachDb);
