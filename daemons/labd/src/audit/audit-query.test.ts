import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { AuditLog } from './audit-log.ts';
import { type AuditListQuery, exportAudit, listAudit, tailAudit } from './audit-query.ts';
import { auditBench, type AuditBench, chain, entry, tester } from './testing/audit-bench.ts';

let bench: AuditBench;
let log: AuditLog;
let start: number;
const people = ['ann', 'bob', 'cleo'];

beforeAll(async () => {
  bench = await auditBench();
  log = await bench.open();
  start = bench.clock.wall();
  await using other = await bench.open({ chain: 'other' });
  for (let index = 0; index < 60; index++) {
    const name = people[index % 3]!;
    const one = entry(index % 2 === 0 ? 'exec.open' : 'servers.list', {
      principal: { kind: index % 5 === 0 ? 'service' : 'user', id: `id-${name}`, name },
      resource: `servers/web-${index % 4}`,
      resourceId: `r${index % 4}`,
      result: index % 10 === 0 ? 'denied' : 'ok',
      details: { index },
    });
    await (index % 7 === 0 ? other : log).append(one);
    await bench.clock.advance(1_000);
  }
});
afterAll(async () => {
  await log[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

const indexOf = ({ details }: { details?: string | undefined }) =>
  (JSON.parse(details ?? '{}') as { index: number }).index;
const all = async (query: Omit<AuditListQuery, 'limit'>, limit = 7) => {
  const found: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await listAudit(bench.store, tester, { ...query, limit, ...(cursor !== undefined && { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items.map(indexOf));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
};
const expected = (test: (index: number) => boolean) =>
  Array.from({ length: 60 }, (_, index) => 59 - index).filter(test);

describe('list', () => {
  test('AP-3: newest first, page by page, over all chains', async () => {
    expect(await all({})).toEqual(expected(() => true));
    expect(await all({}, 60)).toEqual(expected(() => true));
  });

  const cases: [string, Omit<AuditListQuery, 'limit'>, (index: number) => boolean][] = [
    ['action', { action: 'exec.open' }, (index) => index % 2 === 0],
    ['the beginning of actions', { action: 'servers.*' }, (index) => index % 2 === 1],
    ['% is no wildcard', { action: 'exec%*' }, () => false],
    ['a name', { principal: 'bob' }, (index) => index % 3 === 1],
    ['an id', { principal: 'id-bob' }, (index) => index % 3 === 1],
    ['kind and name', { principal: 'service:ann' }, (index) => index % 3 === 0 && index % 5 === 0],
    ['a resource', { resource: 'servers/web-2' }, (index) => index % 4 === 2],
    ['a resource id', { resource: 'r3' }, (index) => index % 4 === 3],
    ['resources by their beginning', { resource: 'servers/*' }, () => true],
    ['result', { result: 'denied' }, (index) => index % 10 === 0],
    [
      'together',
      { result: 'ok', principal: 'ann', action: 'exec.*' },
      (index) => index % 3 === 0 && index % 2 === 0 && index % 10 !== 0,
    ],
  ];
  test.each(cases)('by %s', async (_, query, matches) => {
    expect(await all(query)).toEqual(expected(matches));
  });

  test('since is included, until is not', async () => {
    expect(await all({ since: start + 10_000, until: start + 13_000 })).toEqual([12, 11, 10]);
  });

  test('a cursor of another list is refused', async () => {
    expect(await errorOf(listAudit(bench.store, tester, { limit: 5, cursor: 'nonsense' }))).toMatchObject({
      code: 'VALIDATION_FAILED',
      field: 'cursor',
    });
  });
});

test('AU-7: export gives lines of JSON, oldest first, from a time on', async () => {
  const lines: string[] = [];
  let cursor: string | undefined;
  do {
    const part = await exportAudit(bench.store, tester, {
      since: start + 5_000,
      limit: 20,
      ...(cursor !== undefined && { cursor }),
    });
    lines.push(...part.lines);
    cursor = part.nextCursor ?? undefined;
  } while (cursor !== undefined);
  const rows = lines.map((line) => JSON.parse(line) as { at: number; details: { index: number }; hash: string });
  expect(rows.map(({ details }) => details.index)).toEqual(Array.from({ length: 55 }, (_, index) => index + 5));
  expect(rows.every(({ hash }) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
});

test('LG-1: following gives rows of all chains as they come, none twice, none left out', async () => {
  const first = await tailAudit(bench.store, undefined);
  expect(first.items).toEqual([]);
  await using third = await bench.open({ chain: 'third' });
  for (const one of [log, third, log]) await one.append(entry('tail'));
  const second = await tailAudit(bench.store, first.cursor);
  expect(second.items.map((row) => row.chain)).toEqual([chain, chain, 'third']);
  expect((await tailAudit(bench.store, second.cursor)).items).toEqual([]);
  await Promise.all(Array.from({ length: 10 }, () => log.append(entry('more'))));
  const part = await tailAudit(bench.store, second.cursor, 4);
  const rest = await tailAudit(bench.store, part.cursor, 500);
  expect([part.items.length, rest.items.length]).toEqual([4, 6]);
  for (const bad of ['x', Buffer.from('[["a"]]').toString('base64url'), Buffer.from('{}').toString('base64url')])
    expect(await errorOf(tailAudit(bench.store, bad))).toMatchObject({ code: 'VALIDATION_FAILED' });
});

test('ST-5: a filter that matches nothing looks window by window', async () => {
  const windows = await bench.open({ chain: 'windows' });
  for (let part = 0; part < 11; part++)
    await Promise.all(Array.from({ length: 500 }, () => windows.append(entry('noise'))));
  await windows[Symbol.asyncDispose]();
  let reads = 0;
  const { read } = bench.store;
  bench.store.read = ((principal, query) => (
    reads++,
    read.call(bench.store, principal, query as never)
  )) as typeof read;
  expect((await listAudit(bench.store, tester, { limit: 5, action: 'absent' })).items).toEqual([]);
  bench.store.read = read;
  expect(reads).toBe(3);
});
