/** Every known way out of level L1, tried (verification SB18), and the host afterwards (SB19). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killExecutor } from './testing/end-of-executor.ts';
import { type EscapeWorld, hostProcesses, openEscapeWorld, readSysctls } from './testing/escape-world.ts';
import { namespaceCases } from './testing/namespace-cases.ts';
import { needsNamespaces, openTestNamespace, type TestNamespace } from './testing/open-test-namespace.ts';
import { resourceCases } from './testing/resource-cases.ts';
import { tryCase } from './testing/try-case.ts';

const cases = [...namespaceCases, ...resourceCases];
/** Other programs of the machine mount things too: ours would name the folder. */
const mountsOf = (folder: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));

describe.skipIf(needsNamespaces !== undefined)(`the escape suite at L1 (${needsNamespaces ?? 'ready'})`, () => {
  let world: EscapeWorld;
  let opened: TestNamespace;
  let before: { sysctls: Map<string, string>; tempDir: string };

  beforeAll(async () => {
    const tempDir = mkdtempSync(join(tmpdir(), 'escape-'));
    chmodSync(tempDir, 0o711);
    before = { sysctls: readSysctls(), tempDir };
    world = await openEscapeWorld();
    opened = await openTestNamespace({ tempDir });
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    rmSync(before.tempDir, { recursive: true, force: true });
  });

  test.each(cases.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    expect(await tryCase(opened.host, each, world)).toBeUndefined();
  });

  test.each(cases.map((each) => [each.name, each] as const))('%s, without a cgroup', async (_, each) =>
    expect(await tryCase(opened.withoutCgroup, each, world)).toBeUndefined(),
  );

  test('the end of the executor', async () => expect(await killExecutor(opened.host)).toBeUndefined());

  test('nothing of it is left on the host', async () => {
    await opened[Symbol.asyncDispose]();
    expect(readdirSync(before.tempDir)).toEqual([]);
    // What has ended, but was not asked for yet by who adopted it, has no words any more.
    const living = hostProcesses().filter(({ uid, words }) => opened.isOurUid(uid) && words[0] !== '');
    expect(living).toEqual([]);
    expect(opened.cgroupsLeft()).toEqual([]);
    expect(mountsOf(before.tempDir)).toEqual([]);
    expect(readSysctls()).toEqual(before.sysctls);
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(
      before.sysctls.get('/proc/sys/kernel/core_pattern') ?? '',
    );
  });
});
