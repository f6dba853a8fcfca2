import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { AuditKeys } from './audit-keys.ts';
import { auditBench, type AuditBench, plainSealer, tester } from './testing/audit-bench.ts';

let bench: AuditBench;
beforeEach(async () => {
  bench = await auditBench();
});
afterEach(() => bench[Symbol.asyncDispose]());
const settings = () =>
  bench.store.inner.read(tester, (db) =>
    db.selectFrom('settings').select(['key', 'value']).where('key', 'like', 'audit.%').orderBy('key').execute(),
  );

test('AU-2: 32 random bytes and a key pair, sealed, kept', async () => {
  const keys = await bench.keys();
  const { id, bytes } = keys.current();
  expect([id, bytes.length]).toEqual(['k1', 32]);
  const rows = await settings();
  expect(rows.map(({ key }) => key)).toEqual(['audit.checkpoint-key.c1', 'audit.key.k1']);
  expect(rows.every(({ key, value }) => value.startsWith(`plain:settings:${key}:value:`))).toBe(true);
  const again = await bench.keys();
  expect(Buffer.from(again.current().bytes).equals(bytes)).toBe(true);
  expect(again.publicKeyPem()).toBe(keys.publicKeyPem());
});

test('replicas that start together share one key', async () => {
  const [one, two] = await Promise.all([bench.keys(), bench.keys()]);
  expect(Buffer.from(one.current().bytes).equals(two.current().bytes)).toBe(true);
  expect(one.verify('c1', 'text', two.sign('text'))).toBe(true);
});

test('a rotated key is taken up by others when they look', async () => {
  const [one, two] = [await bench.keys(), await bench.keys()];
  expect(await one.rotate(1)).toBe('k2');
  expect(two.chainKey('k2')).toBeUndefined();
  await two.reload();
  expect(two.current().id).toBe('k2');
  expect(two.chainKeyIds().toSorted()).toEqual(['k1', 'k2']);
  for (let more = 3; more <= 11; more++) expect(await two.rotate(1)).toBe(`k${more}`);
});

test('signatures hold for their text and key alone', async () => {
  const keys = await bench.keys();
  const signature = keys.sign('text');
  expect(keys.verify('c1', 'text', signature)).toBe(true);
  for (const [id, text, given] of [
    ['c1', 'text2', signature],
    ['c2', 'text', signature],
    ['c1', 'text', 'A'.repeat(86)],
    ['c1', 'text', ''],
    ['c1', 'text', '!!'],
  ] as const)
    expect(keys.verify(id, text, given)).toBe(false);
});

test('a key that does not open stops the start', async () => {
  await bench.keys();
  await bench.store.inner.write(tester, (tx) =>
    tx.updateTable('settings').set({ value: 'plain:elsewhere' }).where('key', '=', 'audit.key.k1').execute(),
  );
  expect(await errorOf(AuditKeys.open(bench.store, plainSealer, 0))).toMatchObject({ code: 'INTERNAL' });
});
