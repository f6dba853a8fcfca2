/** What leases, pages and dumps must do on every store (ST-6): the counterpart of conformance.ts for the parts above it. */
import { describe, expect, test } from 'bun:test';
import type { FakeClock } from '@labmesh/kit/clock';
import { system } from '@labmesh/wire/fleet/principal';
import { columns, type DataTable, dataTables } from '../dump/columns.ts';
import { type DumpRow, dumpTables, volatileTables } from '../dump/dump-tables.ts';
import { loadTables, restoreMark } from '../dump/load-tables.ts';
import { releaseLease, takeLease } from '../lease.ts';
import { page, type PageOptions } from '../page.ts';
import { prepared, preparedInsert } from '../prepared.ts';
import type { Store, Writer } from '../store.ts';
import { sampleRows } from './sample-rows.ts';

const tester = system('conformance');

function leases(store: () => Store): void {
  test('RP-2: one owner at a time, until it gives back or its time is over', async () => {
    const clock = store().clock as FakeClock;
    expect(await takeLease(store(), 'crl', 'a', 30_000)).toBe(true);
    expect(await takeLease(store(), 'crl', 'b', 30_000)).toBe(false);
    expect(await takeLease(store(), 'prune', 'b', 30_000)).toBe(true);
    await clock.advance(20_000);
    expect(await takeLease(store(), 'crl', 'a', 30_000)).toBe(true);
    await clock.advance(29_999);
    expect(await takeLease(store(), 'crl', 'b', 30_000)).toBe(false);
    await clock.advance(1);
    expect(await takeLease(store(), 'crl', 'b', 30_000)).toBe(true);
    await releaseLease(store(), 'crl', 'a');
    expect(await takeLease(store(), 'crl', 'a', 30_000)).toBe(false);
    await releaseLease(store(), 'crl', 'b');
    expect(await takeLease(store(), 'crl', 'a', 30_000)).toBe(true);
  });

  test('of eight who reach for it at once one has it', async () => {
    const taken = await Promise.all(Array.from({ length: 8 }, (_, at) => takeLease(store(), 'race', `${at}`, 30_000)));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });
}

const event = (at: number, created_at = Math.floor(at / 3)) => ({
  id: `event-${String(at).padStart(3, '0')}`,
  created_at,
  type: 'paged',
  resource: 'servers',
  resource_id: '',
  details: '{}',
});
const byTime: PageOptions['by'] = [
  { column: 'events.created_at', type: 'integer' },
  { column: 'id', type: 'text' },
];

function pages(store: () => Store): void {
  const listed = (options: Partial<PageOptions>) =>
    store().read(tester, (db) =>
      page(db.selectFrom('events').select(['id', 'created_at']).where('type', '=', 'paged'), {
        list: 'events by time',
        by: byTime,
        limit: 4,
        ...options,
      }),
    );

  test('AP-3: pages tell each row once, up and down, while rows come and go', async () => {
    const insert = (at: number, time?: number) => (tx: Writer) =>
      tx.insertInto('events').values(event(at, time)).execute();
    const rows = Array.from({ length: 21 }, (_, at) => event(at));
    await store().write(tester, (tx) => tx.insertInto('events').values(rows).execute());
    for (const descending of [false, true]) {
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let turn = 0; turn < 20; turn++) {
        const { items, nextCursor } = await listed({ descending, ...(cursor !== undefined && { cursor }) });
        seen.push(...items.map((item) => item.id));
        if (nextCursor === null) break;
        cursor = nextCursor;
        // One that lies behind: it is not told, and moves nothing.
        await store().write(tester, insert(100 + turn + (descending ? 50 : 0), descending ? 1_000 : -1));
      }
      const wanted = rows.map((row) => row.id);
      expect(seen.filter((id) => id < 'event-1')).toEqual(descending ? wanted.toReversed() : wanted);
      expect(new Set(seen).size).toBe(seen.length);
    }
  });

  test('a page that is just full is the last one', async () => {
    const all = await listed({ limit: 500 });
    expect(all.nextCursor).toBeNull();
    const { items, nextCursor } = await listed({ limit: all.items.length });
    expect([items.length, nextCursor]).toEqual([all.items.length, null]);
  });
}

async function collect(rows: AsyncIterable<DumpRow>): Promise<DumpRow[]> {
  const all: DumpRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

async function* replay<T>(rows: readonly T[]): AsyncGenerator<T> {
  yield* rows;
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error as { code?: string }).code,
  );

function dumps(open: () => Promise<Store>): void {
  test('BK-1, BK-2: what was dumped and loaded dumps the same, through SQLite and back', async () => {
    const rows = sampleRows();
    await using first = await open();
    const { openStore } = await import('../open-store.ts');
    await using second = await openStore({ url: 'sqlite::memory:' });
    await using third = await open();
    const counts = await loadTables(first, tester, replay(rows));
    expect(Object.keys(counts).toSorted()).toEqual(dataTables.toSorted());
    expect(counts.audit_log).toBe(1_203);
    const dumped = await collect(dumpTables(first, tester, dataTables));
    const sorted = (list: readonly DumpRow[]) => list.map((one) => JSON.stringify(one)).toSorted();
    expect(sorted(dumped)).toEqual(sorted(rows));
    // As a backup has them: JSON lines.
    await loadTables(second, tester, replay(dumped.map((one) => JSON.parse(JSON.stringify(one)) as DumpRow)));
    await loadTables(third, tester, dumpTables(second, tester, dataTables));
    expect(await collect(dumpTables(third, tester, dataTables))).toEqual(dumped);
    const tables = new Set<DataTable>((await collect(dumpTables(third, tester))).map((one) => one.table));
    expect(volatileTables.filter((table) => tables.has(table))).toEqual([]);
  });

  test('BK-2: only into an empty store; half a restore shows', async () => {
    await using store = await open();
    const [row] = sampleRows().filter((one) => one.table === 'servers');
    const twice = [row, row] as DumpRow[];
    expect(await codeOf(loadTables(store, tester, replay(twice)))).toBe('VALIDATION_FAILED');
    const mark = await store.read(tester, (db) => db.selectFrom('settings').select('key').execute());
    expect(mark).toEqual([{ key: restoreMark }]);
    expect(await codeOf(loadTables(store, tester, replay(twice.slice(1))))).toBe('CONFLICT');
  });

  test('BK-1: a dump is one moment, whatever is written meanwhile', async () => {
    await using store = await open();
    await loadTables(store, tester, replay(sampleRows()));
    const seen: DumpRow[] = [];
    for await (const one of dumpTables(store, tester, ['settings', 'audit_log'])) {
      seen.push(one);
      if (seen.length > 1) continue;
      await store.write(tester, (tx) => tx.deleteFrom('audit_log').execute());
      await store.write(tester, (tx) => tx.deleteFrom('settings').execute());
    }
    expect(seen).toHaveLength(1_204);
    // One that is left early lets go of its snapshot, so the store can close.
    for await (const one of dumpTables(store, tester)) if (one.row['id'] !== '') break;
  });
}

function schema(store: () => Store): void {
  test('ST-2: the tables have the columns that a dump expects, of the types that all engines know', async () => {
    const tables = await store().read(tester, (db) => db.introspection.getTables());
    const found = new Map(tables.map((table) => [table.name, table.columns]));
    expect([...found.keys()].toSorted()).toEqual([...dataTables, 'migration_lock', 'migrations'].toSorted());
    for (const table of dataTables) {
      const made = (found.get(table) ?? []).map(({ name, dataType, isNullable }) => {
        const type = { text: 'text', int8: 'integer', bigint: 'integer' }[dataType.toLowerCase()] ?? dataType;
        return [name, `${type}${isNullable ? '?' : ''}`];
      });
      expect([table, Object.fromEntries(made)]).toEqual([table, { ...columns[table] }]);
    }
  });
}

const insertEvents = preparedInsert('events', ['id', 'created_at', 'type', 'resource', 'resource_id', 'details']);
const moved = prepared<{ id: string; at: number }>((db, slot) =>
  db.updateTable('events').set({ created_at: slot.at }).where('id', '=', slot.id),
);
const countFrom = prepared<{ at: number }, { count: number }>((db, slot) =>
  db
    .selectFrom('events')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('type', '=', 'prepared')
    .where('created_at', '>=', slot.at),
);

function preparedStatements(store: () => Store): void {
  test('rows go in, change and come out by statements that were compiled once', async () => {
    const rows = Array.from({ length: 150 }, (_, at) => ({ ...event(at, at), id: `p${at}`, type: 'prepared' }));
    await store().write(tester, async (tx) => {
      await insertEvents(tx, rows);
      await moved(tx, { id: 'p3', at: 1_000 });
      await moved(tx, { id: 'p4', at: 1_001 });
    });
    const count = (at: number) => store().read(tester, async (db) => (await countFrom(db, { at }))[0]?.count);
    expect([await count(0), await count(149), await count(1_001), await count(1_002)]).toEqual([150, 3, 1, 0]);
  });
}

/** Leases and pages on the shared store, opened with a FakeClock; dumps on stores of their own. */
export function partsConformance(store: () => Store, open: () => Promise<Store>): void {
  describe('schema', () => schema(store));
  describe('leases', () => leases(store));
  describe('pages', () => pages(store));
  describe('prepared statements', () => preparedStatements(store));
  describe('dumps', () => dumps(open));
}
