import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import { system } from '@labmesh/wire/fleet/principal';
import { asSuite, suiteDigest } from './parse-suite.ts';
import { openSuiteSealer, sealerOf } from './suite-sealer.ts';
import { SuiteShelf, suitesMost } from './suite-shelf.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-suites-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const suiteOf = (id: string, expected: unknown = 'zanzibar-4711') =>
  asSuite({ id, language: 'python', entry: 'f', cases: [{ args: ['tanganyika'], expect: expected }] });
const root = system('test');

describe('a sealer', () => {
  test('opens what it sealed, under the same tenant and name only', () => {
    const sealer = openSuiteSealer(join(folder, 'a'));
    const plain = new TextEncoder().encode('hidden');
    const sealed = sealer.seal('t1', 'add', plain);
    expect(sealed).not.toBe(sealer.seal('t1', 'add', plain));
    expect(new Uint8Array(sealer.open('t1', 'add', sealed))).toEqual(plain);
    expect(new Uint8Array(openSuiteSealer(join(folder, 'a')).open('t1', 'add', sealed))).toEqual(plain);
    for (const [tenant, name] of [
      ['t2', 'add'],
      ['t1', 'sub'],
      ['t1","add', ''],
    ] as const) {
      expect(() => sealer.open(tenant, name, sealed)).toThrow('does not open');
    }
    expect(() => sealerOf(new Uint8Array(32)).open('t1', 'add', sealed)).toThrow('does not open');
  });

  test('sees every byte that was changed', () => {
    const sealer = sealerOf(new Uint8Array(32).fill(7));
    const bytes = Buffer.from(sealer.seal('t', 'n', new Uint8Array(20)), 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => sealer.open('t', 'n', changed.toString('base64'))).toThrow();
    }
    for (const text of ['', 'AQ==', '!!']) expect(() => sealer.open('t', 'n', text)).toThrow('no sealed suite');
  });

  test('keeps its key to its owner, and refuses one of another length', () => {
    const path = join(folder, 'a', 'suites.key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    chmodSync(path, 0o644);
    openSuiteSealer(join(folder, 'a'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path)).toHaveLength(32);
    const other = join(folder, 'b');
    openSuiteSealer(other);
    writeFileSync(join(other, 'suites.key'), 'short');
    expect(() => openSuiteSealer(other)).toThrow('5 bytes');
  });
});

describe('a shelf', () => {
  let store: SqlStore;
  let shelf: SuiteShelf;
  beforeAll(async () => {
    store = await openStore({ url: `sqlite://${join(folder, 'shelf.db')}` });
    shelf = new SuiteShelf(store, openSuiteSealer(folder));
  });
  afterAll(async () => store[Symbol.asyncDispose]());

  test('gives a suite back to its tenant alone', async () => {
    const suite = suiteOf('add');
    const summary = await shelf.put('t1', suite, 'key-1');
    expect(summary).toMatchObject({ id: 'add', cases: 1, language: 'python', createdBy: 'key-1' });
    expect(await shelf.get('t1', 'add')).toEqual({ suite, sha256: suiteDigest(suite) });
    expect(await shelf.get('t2', 'add')).toBeUndefined();
    expect(await shelf.list('t2')).toEqual([]);
    expect(await shelf.remove('t2', 'add')).toBe(false);
    expect(await shelf.list('t1')).toEqual([summary]);
  });

  test('holds no word of a case in the file', async () => {
    const rows = await store.read(root, (db) => db.selectFrom('arena_suites').selectAll().execute());
    expect(JSON.stringify(rows)).not.toMatch(/zanzibar|tanganyika/);
    for (const file of ['shelf.db', 'shelf.db-wal']) {
      expect(readFileSync(join(folder, file)).includes('zanzibar')).toBe(false);
    }
  });

  test('puts a newer one in place of the older, and removes', async () => {
    await shelf.put('t3', suiteOf('max', 1), 'key-1');
    await shelf.put('t3', suiteOf('max', 2), 'key-2');
    expect((await shelf.get('t3', 'max'))?.suite.cases[0]?.expect).toBe(2);
    expect(await shelf.list('t3')).toHaveLength(1);
    expect(await shelf.remove('t3', 'max')).toBe(true);
    expect(await shelf.get('t3', 'max')).toBeUndefined();
  });

  test('refuses a row that was moved from another tenant, or another text under its digest', async () => {
    await shelf.put('t4', suiteOf('a'), 'k');
    await shelf.put('t5', suiteOf('a', 'other'), 'k');
    const move = (set: { sealed?: string; sha256?: string }) =>
      store.write(root, (tx) => tx.updateTable('arena_suites').set(set).where('tenant', '=', 't4').execute());
    const [theirs] = await store.read(root, (db) =>
      db.selectFrom('arena_suites').select('sealed').where('tenant', '=', 't5').execute(),
    );
    await move({ sha256: 'f'.repeat(64) });
    expect(await errorOf(shelf.get('t4', 'a'))).toMatchObject({ code: 'SUITE_UNREADABLE' });
    await move({ sealed: theirs?.sealed ?? '' });
    expect(await errorOf(shelf.get('t4', 'a'))).toMatchObject({ code: 'SUITE_UNREADABLE' });
  });

  test('is bounded for each tenant, and a full one still takes a newer text of what it has', async () => {
    const rows = Array.from({ length: suitesMost }, (_, at) => ({
      id: `row-${at}`,
      tenant: 'full',
      name: `s-${at}`,
      sha256: '',
      language: 'python',
      cases: 1,
      sealed: '',
      created_by: 'k',
      created_at: 1,
    }));
    await store.write(root, async (tx) => {
      for (let at = 0; at < rows.length; at += 100) {
        await tx
          .insertInto('arena_suites')
          .values(rows.slice(at, at + 100))
          .execute();
      }
    });
    expect(await errorOf(shelf.put('full', suiteOf('one-more'), 'k'))).toMatchObject({
      code: 'SUITES_FULL',
      status: 409,
    });
    await shelf.put('full', suiteOf('s-7'), 'k');
    expect((await shelf.get('full', 's-7'))?.suite.id).toBe('s-7');
  });
});
