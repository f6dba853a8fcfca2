import { errorOf } from '@labmesh/wire/testing/errors';
import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { system } from '@labmesh/wire/fleet/principal';
import { sql } from 'kysely';
import { openStore } from '../open-store.ts';
import type { Reader } from '../store.ts';
import { TempFolder } from '../testing/temp-store.ts';
import { askOwner } from './file-owner.ts';

const tester = system('test');
const put = (db: Reader, key: string) => db.insertInto('settings').values({ key, value: '', updated_at: 0 }).execute();

/** What the pragma says on the connection that a read or a write uses. */
async function pragma(db: Reader, name: string): Promise<unknown> {
  const { rows } = await sql<Record<string, unknown>>`select * from ${sql.raw(`pragma_${name}`)}`.execute(db);
  return Object.values(rows[0] ?? {})[0];
}

describe('ST-1', () => {
  test('WAL, synchronous=FULL, foreign keys, busy_timeout 5 s', async () => {
    using folder = new TempFolder();
    await using store = await openStore({ url: await folder.nextUrl() });
    const names = ['journal_mode', 'synchronous', 'foreign_keys'];
    const all = (db: Reader) => Promise.all(names.map((name) => pragma(db, name)));
    expect(await store.write(tester, all)).toEqual(['wal', 2, 1]);
    expect(await store.read(tester, (db) => pragma(db, 'busy_timeout'))).toBe(5_000);
  });

  test('folder and files are their owner’s alone', async () => {
    using folder = new TempFolder();
    await using store = await openStore({ url: `sqlite://${folder.path}/new/deep/labd.db` });
    await store.ping();
    const mode = (path: string) => (statSync(join(folder.path, 'new', path)).mode & 0o777).toString(8);
    expect([mode(''), mode('deep')]).toEqual(['700', '700']);
    const files = readdirSync(join(folder.path, 'new/deep'));
    expect(files.toSorted()).toEqual(['labd.db', 'labd.db-shm', 'labd.db-wal', 'labd.db.owner', 'labd.db.owner.sock']);
    for (const file of files) expect(mode(`deep/${file}`)).toBe('600');
  });

  test('closing writes the WAL back and leaves no socket', async () => {
    using folder = new TempFolder();
    const store = await openStore({ url: await folder.nextUrl() });
    await store[Symbol.asyncDispose]();
    expect(readdirSync(folder.path)).toEqual(['1.db', '1.db.owner']);
  });

  test('a lock of another process is waited for, and the event loop turns meanwhile', async () => {
    using folder = new TempFolder();
    const url = await folder.nextUrl();
    await using store = await openStore({ url });
    using other = new Database(url.slice('sqlite://'.length));
    other.run('begin immediate');
    const writing = store.write(tester, (tx) => put(tx, 'waited'));
    await Bun.sleep(60);
    other.run('commit');
    await writing;
    expect(await store.read(tester, (db) => db.selectFrom('settings').selectAll().execute())).toHaveLength(1);
  });

  test('what is no database is told as away, and not touched', async () => {
    using folder = new TempFolder();
    const file = join(folder.path, 'text.db');
    writeFileSync(file, 'this is no database at all, but long enough to be looked at'.repeat(40));
    expect(await errorOf(openStore({ url: `sqlite://${file}` }))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await Bun.file(file).text()).toStartWith('this is no database');
  });
});

describe('ST-5', () => {
  test('a second owner is refused with the pid of the first, exit 75; after it, not', async () => {
    using folder = new TempFolder();
    const url = await folder.nextUrl();
    const first = await openStore({ url });
    const text = `is in use by pid ${process.pid}`;
    const refused = {
      name: 'StoreStartError',
      code: 'STORE_IN_USE',
      exitCode: 75,
      message: expect.stringContaining(text),
    };
    expect(await errorOf(openStore({ url }))).toMatchObject(refused);
    await first.write(tester, (tx) => put(tx, 'still works'));
    await first[Symbol.asyncDispose]();
    await using second = await openStore({ url });
    expect(await second.ping()).toBeGreaterThanOrEqual(0);
  });

  test('another process is refused too', async () => {
    using folder = new TempFolder();
    const url = await folder.nextUrl();
    await using _ = await openStore({ url });
    const code = `import { openStore } from ${JSON.stringify(join(import.meta.dir, '../open-store.ts'))};
      await openStore({ url: process.argv[1] }).catch((error) => { console.log(error.message); process.exit(error.exitCode); });`;
    const child = Bun.spawn([process.execPath, '-e', code, url], { stdout: 'pipe', stderr: 'inherit' });
    const [said, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
    expect([said.trim(), exitCode]).toEqual([`${url.slice(9)} is in use by pid ${process.pid}`, 75]);
  });

  test('a path too long for a socket works by its folder', async () => {
    using folder = new TempFolder();
    const deep = join(folder.path, 'a'.repeat(100));
    mkdirSync(deep);
    await using _ = await openStore({ url: `sqlite://${deep}/labd.db` });
    expect(existsSync(join(deep, 'labd.db.owner.sock'))).toBe(true);
    expect(await askOwner(join(deep, 'labd.db.owner.sock'))).toBe(process.pid);
  });

  test('a socket left behind, or nobody on it, is no owner', async () => {
    using folder = new TempFolder();
    expect(await askOwner(join(folder.path, 'none.sock'))).toBeUndefined();
    writeFileSync(join(folder.path, 'labd.db.owner.sock'), 'left behind');
    expect(await askOwner(join(folder.path, 'labd.db.owner.sock'))).toBeUndefined();
    await using store = await openStore({ url: `sqlite://${folder.path}/labd.db` });
    expect(await store.ping()).toBeGreaterThanOrEqual(0);
  });

  test('one who answers something else is not believed', async () => {
    using folder = new TempFolder();
    const unix = join(folder.path, 'odd.sock');
    const answers = ['{"pid":"1; rm"}\n', 'x'.repeat(10_000), '', '{"pid":12345678901234}\n'];
    for (const answer of answers) {
      const open = (socket: Bun.Socket) => void (answer === '' ? socket.end() : socket.write(answer));
      const server = Bun.listen({ unix, socket: { open, data: () => {} } });
      expect(await askOwner(unix)).toBeUndefined();
      server.stop(true);
    }
  });

  test('timers fire during a long row of reads', async () => {
    await using store = await openStore({ url: 'sqlite::memory:' });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const heavy = sql`with recursive n (i) as (select 1 union all select i + 1 from n where i < 30000) select count(*) from n`;
    await store.read(tester, async (db) => {
      for (let at = 0; at < 60; at++) await heavy.execute(db);
    });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2);
  });

  test('more texts than are kept prepared', async () => {
    await using store = await openStore({ url: 'sqlite::memory:' });
    const sums = await store.read(tester, (db) =>
      Promise.all(
        Array.from({ length: 500 }, (_, at) =>
          sql<{ sum: number }>`select ${sql.raw(`${at} + 1`)} as sum`.execute(db).then(({ rows }) => rows[0]?.sum),
        ),
      ),
    );
    expect(sums).toEqual(Array.from({ length: 500 }, (_, at) => at + 1));
  });
});
