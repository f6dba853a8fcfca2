/** What only real processes and kill -9 show (ST-4, ST-6). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { type Postgres, postgresAvailable, startPostgres } from '../../../tests/harness/start-postgres.ts';
import { openStore } from './open-store.ts';
import { migrate, releases } from './schema/migrate.ts';
import { acknowledgedWriter } from './testing/acknowledged-writer.ts';
import { migrator } from './testing/migrator.ts';
import { TempFolder } from './testing/temp-store.ts';

const tester = system('test');
/** Starts a writer, kills it at some moment after its first rows, gives the last number it said of each store. */
async function killedWriter(urls: readonly string[], prefix: string): Promise<number[]> {
  const command = [process.execPath, acknowledgedWriter, prefix, ...urls];
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'inherit' });
  let said = '';
  const enough = Math.floor(Math.random() * 30);
  const counts = () => urls.map((_, which) => said.split('\n').filter((line) => line.startsWith(`${which} `)).length);
  for await (const bytes of child.stdout) {
    said += Buffer.from(bytes).toString('latin1');
    if (Math.min(...counts()) <= enough || child.killed) continue;
    // Between two statements, within one, within a commit: wherever it is just then.
    await Bun.sleep(Math.random() * 4);
    child.kill('SIGKILL');
  }
  await child.exited;
  expect(child.signalCode).toBe('SIGKILL');
  return counts();
}

/** Looks in a store for each row that was acknowledged: `said` is how many of each prefix. */
async function expectNoneLost(url: string, said: ReadonlyMap<string, number>): Promise<void> {
  await using store = await openStore({ url });
  const [name] = [...said.keys()].map((prefix) => prefix.split('-')[0] ?? '');
  const rows = await store.read(tester, (db) =>
    db.selectFrom('settings').select('key').where('key', 'like', `${name}-%`).execute(),
  );
  const found = new Set(rows.map((row) => row.key));
  const lost = [...said].flatMap(([prefix, count]) =>
    Array.from({ length: count }, (_, at) => `${prefix}-${at + 1}`).filter((key) => !found.has(key)),
  );
  expect(lost).toEqual([]);
  // At most the one under way beside what was said.
  expect(found.size).toBeLessThanOrEqual([...said.values()].reduce((sum, count) => sum + count + 1, 0));
}

/** Kills `rounds` writers on these stores, one after the other. */
async function expectSurvival(urls: readonly string[], name: string, rounds: number): Promise<void> {
  const said = urls.map(() => new Map<string, number>());
  for (let round = 0; round < rounds; round++) {
    const prefix = `${name}-${round}`;
    const counts = await killedWriter(urls, prefix);
    for (const [which, count] of counts.entries()) said[which]?.set(prefix, count);
  }
  for (const [which, url] of urls.entries()) await expectNoneLost(url, said[which] ?? new Map());
}

const startMigrator = (...words: string[]) => Bun.spawn([process.execPath, migrator, ...words], { stderr: 'inherit' });

const missing = postgresAvailable();
let server: Postgres | undefined;
beforeAll(async () => {
  if (missing === undefined) server = await startPostgres({ durable: true });
}, 60_000);
afterAll(() => server?.[Symbol.asyncDispose](), 60_000);

test('ST-6: 30 writers killed, on SQLite and PostgreSQL where there is one: no acknowledged row is lost', async () => {
  using folder = new TempFolder();
  const database = server === undefined ? [] : [await server.createDatabase()];
  const files = await Promise.all(Array.from({ length: 5 }, folder.nextUrl));
  for (const url of [...files, ...database]) await (await openStore({ url }))[Symbol.asyncDispose]();
  await Promise.all(files.map((file, at) => expectSurvival([file, ...database], `${at}`, 6)));
}, 60_000);

describe.skipIf(missing !== undefined)(`PostgreSQL${missing === undefined ? '' : ` (${missing})`}`, () => {
  const here = () => server as Postgres;

  test('ST-4: four processes that migrate at once all succeed', async () => {
    const url = await here().createDatabase();
    const codes = await Promise.all(Array.from({ length: 4 }, () => startMigrator(url, '60000').exited));
    expect(codes).toEqual([0, 0, 0, 0]);
    await using store = await openStore({ url, migrate: false });
    const done = await store.read(tester, (db) => db.selectFrom('migrations').select('id').execute());
    expect(done).toHaveLength(releases.flat().length);
    expect(await store.read(tester, (db) => db.selectFrom('migration_lock').selectAll().execute())).toEqual([]);
  }, 30_000);

  test('ST-4: the one with the lock is killed midway; four others wait for its lease and finish', async () => {
    const leaseMs = 900;
    const url = await here().createDatabase();
    const holder = startMigrator(url, `${leaseMs}`, '12');
    await using store = await openStore({ url, migrate: false });
    const done = () =>
      store
        .read(tester, (db) => db.selectFrom('migrations').select('id').execute())
        .then(
          (rows) => rows.length,
          () => 0,
        );
    while ((await done()) < 12) await Bun.sleep(10);
    const others = await Promise.all(Array.from({ length: 4 }, () => openStore({ url, migrate: false })));
    const finishing = Promise.all(others.map((one) => migrate(one, { leaseMs })));
    // It renews while it lives, so nobody steps in.
    await Bun.sleep(leaseMs * 1.3);
    expect(await done()).toBe(12);
    holder.kill('SIGKILL');
    await finishing;
    expect(await done()).toBe(releases.flat().length);
    for (const one of others) await one[Symbol.asyncDispose]();
  }, 30_000);

  test('ST-6: the server killed five times amid writes, no acknowledged row lost', async () => {
    await using store = await openStore({ url: await here().createDatabase() });
    const said: string[] = [];
    const writer = async (prefix: string) => {
      for (let at = 0; ; at++) {
        const row = { key: `${prefix}-${at}`, value: '', updated_at: at };
        await store.write(tester, (tx) => tx.insertInto('settings').values(row).execute());
        said.push(row.key);
      }
    };
    for (let round = 0; round < 5; round++) {
      const ended = Promise.allSettled(Array.from({ length: 4 }, (_, which) => writer(`${round}-${which}`)));
      // Amid writes, however slow the machine is.
      const before = said.length;
      while (said.length < before + 6) await Bun.sleep(10);
      await here().stop('kill');
      for (const end of await ended) {
        expect((end as PromiseRejectedResult).reason).toMatchObject({ code: 'STORE_UNAVAILABLE' });
      }
      await here().start();
    }
    const rows = await store.read(tester, (db) => db.selectFrom('settings').select('key').execute());
    const found = new Set(rows.map((row) => row.key));
    expect(said.filter((key) => !found.has(key))).toEqual([]);
    expect(said.length).toBeGreaterThan(20);
  }, 60_000);
});
