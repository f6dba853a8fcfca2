import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabmanConfig } from '../../labman-config.ts';
import { findingsText, isFine } from './finding.ts';
import { folderCheck, portChecks } from './folder-checks.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-check-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the state folder', () => {
  test('is there, or can be made', () => {
    expect(folderCheck(folder).result).toBe('pass');
    expect(folderCheck(join(folder, 'a', 'b'))).toMatchObject({
      result: 'pass',
      detail: expect.stringContaining('first start'),
    });
  });

  test('that others write to, or that is a file, fails', () => {
    chmodSync(folder, 0o777);
    expect(folderCheck(folder)).toMatchObject({ result: 'fail', fix: `chmod 700 ${folder}` });
    const file = join(folder, 'file');
    writeFileSync(file, '', { mode: 0o700 });
    expect(folderCheck(file)).toMatchObject({ result: 'fail', detail: expect.stringContaining('no folder') });
  });
});

test('a port that is taken fails; what is not configured is not tried', () => {
  const taken = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const parts = (port: number) =>
    ({ proxy: { local: { host: '127.0.0.1', port } }, telemetry: { metrics: undefined } }) as unknown as LabmanConfig;
  expect(portChecks(parts(taken.port))).toMatchObject([
    { name: 'proxy.local_addr', result: 'fail', detail: expect.stringContaining('EADDRINUSE') },
  ]);
  taken.stop(true);
  expect(portChecks(parts(taken.port))).toMatchObject([{ result: 'pass' }]);
});

test('findings are lines, with what mends them below', () => {
  const findings = [
    { name: 'a', result: 'pass', detail: 'good', fix: null },
    { name: 'longer', result: 'fail', detail: 'bad', fix: 'mend it' },
  ] as const;
  expect(findingsText(findings)).toBe('pass     a       good\nFAIL     longer  bad\n                 fix: mend it\n');
  expect([isFine(findings), isFine(findings.slice(0, 1))]).toEqual([false, true]);
});
