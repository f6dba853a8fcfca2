import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOrphans } from './sweep-orphans.ts';

const procDir = mkdtempSync(join(tmpdir(), 'executor-proc-'));
afterAll(() => rmSync(procDir, { recursive: true }));

function add(pid: number, parent: number, uid: number, inNamespaces: string, state = 'S (sleeping)'): void {
  mkdirSync(join(procDir, `${pid}`));
  const text = `Name:\tx\nState:\t${state}\nPid:\t${pid}\nPPid:\t${parent}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nNSpid:\t${inNamespaces}\n`;
  writeFileSync(join(procDir, `${pid}`, 'status'), text);
}

test('inits of sandboxes that lost their bwrap, and nothing else', () => {
  const [base, u, v] = [900_000, 900_007, 900_008];
  add(1, 0, 0, '1');
  add(50, 1, 0, '50');
  // A sandbox that runs: the bwrap that waits, the init, a program.
  add(100, 50, u, '100');
  add(101, 100, u, '101\t1');
  add(102, 101, u, '102\t2');
  // One whose bwrap was killed, and one of an executor elsewhere.
  add(201, 1, v, '201\t1');
  add(301, 1, base + 1_024, '301\t1');
  // A container's init of another user, a plain process of one of our uids: not what we look for.
  add(401, 1, 1_000, '401\t1');
  add(402, 1, v, '402');
  add(403, 1, v, '403\t1', 'Z (zombie)');
  mkdirSync(join(procDir, '999'));
  mkdirSync(join(procDir, 'sys'));
  expect(findOrphans(base, procDir)).toEqual([201]);
  // Its executor is the init of a container, which orphans fall to: they still have another uid above them.
  add(501, 50, u, '501\t1');
  expect(findOrphans(base, procDir).toSorted((a, b) => a - b)).toEqual([201, 501]);
});

test('of this machine none is ours by chance', () => {
  expect(findOrphans(1_999_000_000)).toEqual([]);
});
