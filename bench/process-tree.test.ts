import { expect, test } from 'bun:test';
import { parseStat, readStats, sumTree } from './process-tree.ts';

const line = '42 (a (b) c) S 7 42 42 0 -1 4194560 100 0 0 0 3 2 40 5 20 0 9 0 1000 999999 250 18446744073709551615';

test('a stat line is cut behind the command, whatever that holds', () => {
  expect(parseStat(line)).toEqual({ pid: 42, parent: 7, cpuTicks: 50, rssPages: 250 });
});

test('a tree is its root and all below it, and nothing else', () => {
  const stat = (pid: number, parent: number) => ({ pid, parent, cpuTicks: 1, rssPages: 2 });
  const usage = sumTree(2, [stat(1, 0), stat(2, 1), stat(4, 3), stat(3, 2), stat(5, 1)]);
  expect(usage).toEqual({ pids: [2, 3, 4], cpuUs: 30_000, rssBytes: 3 * 2 * 4096 });
  expect(sumTree(99, []).cpuUs).toBe(0);
});

test('this process is in the list', () => {
  expect(sumTree(process.pid, readStats()).rssBytes).toBeGreaterThan(1_000_000);
});
