import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { system } from '@labmesh/wire/fleet/principal';
import { awaitStore, openReadStore, openStore } from './open-store.ts';
import { TempFolder } from './testing/temp-store.ts';

const tester = system('test');

describe('URLs', () => {
  test.each([
    'mysql://root:geheim@localhost/lab',
    'sqlite:relative.db',
    'sqlite://relative.db',
    'postgresql:geheim',
    '/var/lib/labd.db',
    '',
  ])('%p is refused without showing it, exit 3', async (url) => {
    const error = await openStore({ url }).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ name: 'StoreStartError', code: 'STORE_URL_INVALID', exitCode: 3 });
    expect((error as Error).message).not.toContain('geheim');
  });

  test('a store in memory needs nothing', async () => {
    await using store = await openStore({ url: 'sqlite::memory:' });
    expect(store.engine).toBe('sqlite');
    expect(await store.ping()).toBeGreaterThanOrEqual(0);
  });
});

describe('LD-7: a database that is away at start', () => {
  // Nothing listens on port 1.
  const url = 'postgresql://lab:geheim@127.0.0.1:1/lab';

  test('openStore tells STORE_UNAVAILABLE', async () => {
    expect(await errorOf(openStore({ url }))).toMatchObject({ code: 'STORE_UNAVAILABLE', status: 503 });
    const folder = openStore({ url: 'sqlite:///proc/labmesh/nowhere.db' });
    expect(await errorOf(folder)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('awaitStore tries again each 1 to 30 s, until it is told to stop', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) });
    const clock = new FakeClock();
    const ending = new AbortController();
    const waiting = awaitStore({ url, log, clock }, ending.signal).catch((error: unknown) => error);
    while (lines.length < 8) {
      await Bun.sleep(2);
      await clock.advance(1_000);
    }
    ending.abort(new RangeError('stop'));
    await clock.advance(60_000);
    expect(await waiting).toBeInstanceOf(RangeError);
    const waits = lines.map((line) => (JSON.parse(line) as { waitMs: number }).waitMs);
    expect(Math.min(...waits)).toBeGreaterThan(700);
    expect(Math.max(...waits)).toBeLessThanOrEqual(37_500);
    expect(waits[6]).toBeGreaterThan(20_000);
    expect(lines.join('')).not.toContain('geheim');
  });

  test('what waiting does not mend ends it', async () => {
    const waiting = awaitStore({ url: 'mysql://x' }, new AbortController().signal);
    expect(await errorOf(waiting)).toMatchObject({ code: 'STORE_URL_INVALID' });
  });
});

describe('a second door (ST-5)', () => {
  test('reads what was committed, never writes, and goes before its host', async () => {
    using folder = new TempFolder();
    await using store = await openStore({ url: await folder.nextUrl() });
    expect(store.besideUrl).toStartWith('sqlite:///');
    await using beside = await openReadStore(store.besideUrl ?? '');
    const row = { key: 'a', value: '1', updated_at: 0 };
    await store.write(tester, (tx) => tx.insertInto('settings').values(row).execute());
    expect(await beside.read(tester, (db) => db.selectFrom('settings').selectAll().execute())).toEqual([row]);
    await using snapshot = await beside.snapshot(tester);
    expect(await snapshot.db.selectFrom('settings').select('key').execute()).toEqual([{ key: 'a' }]);
    const writing = beside.write(tester, (tx) => tx.deleteFrom('settings').execute());
    expect(await errorOf(writing)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await errorOf(beside.ddl('create table x (a text)'))).toBeInstanceOf(TypeError);
  });

  test('there is none into memory, nor to a file that is not there', async () => {
    await using memory = await openStore({ url: 'sqlite::memory:' });
    expect(memory.besideUrl).toBeUndefined();
    expect(await errorOf(openReadStore('sqlite::memory:'))).toBeInstanceOf(TypeError);
    expect(await errorOf(openReadStore('sqlite:///proc/labmesh/none.db'))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});
