import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SandboxJobInput, sandboxJobSchema } from '@labmesh/wire/verification/sandbox';
import { findProgram } from '../find-program.ts';
import { type EscapeWorld, hostProcesses, openEscapeWorld } from '../testing/escape-world.ts';
import { namespaceCases } from '../testing/namespace-cases.ts';
import { isRoot, needsNamespaces, openTestNamespace, type TestNamespace } from '../testing/open-test-namespace.ts';
import { resourceCases } from '../testing/resource-cases.ts';
import { tryCase } from '../testing/try-case.ts';
import { HeldChains } from './held-chains.ts';
import type { NamespaceHost } from './namespace-host.ts';
import { runNamespace } from './run-namespace.ts';

const needs = needsNamespaces ?? (findProgram('perl') === undefined ? 'needs perl-base' : undefined);
const text = (content: string) => Buffer.from(content, 'base64').toString();

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 3_000; tries++) {
    if (holds()) return;
    await Bun.sleep(10);
  }
  throw new Error(`${what} did not come to hold`);
}

describe.skipIf(needs !== undefined)(`chains begun ahead (${needs ?? 'ready'})`, () => {
  let opened: TestNamespace;
  let world: EscapeWorld;
  beforeAll(async () => {
    opened = await openTestNamespace();
    world = await openEscapeWorld();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await opened[Symbol.asyncDispose]();
  });

  /** The host of the tests with chains of its own. */
  const holding = (more: { max?: number; unusedMs?: number } = {}) => {
    const { uids, cgroups, seccompPath } = opened.host;
    const held = new HeldChains({ uids, cgroups, seccompPath, ...more });
    const host: NamespaceHost = { ...opened.host, held, leftovers: new Set() };
    const end = async () => {
      await Promise.all(host.leftovers);
      await held[Symbol.asyncDispose]();
    };
    return { host, held, [Symbol.asyncDispose]: end };
  };
  const run = async (host: NamespaceHost, job: SandboxJobInput, signal?: AbortSignal) => {
    const result = await runNamespace(host, sandboxJobSchema.parse(job), 'id', signal);
    return { ...result, stdout: text(result.stdout), stderr: text(result.stderr) };
  };
  /** Leaves a chain for jobs with these limits behind. */
  const prepare = async (host: NamespaceHost, limits: SandboxJobInput['limits'] = {}) => {
    await run(host, { argv: ['/usr/bin/true'], limits });
    await until(() => (host.held?.size ?? 0) > 0, 'a chain waits');
  };
  const waiters = () =>
    hostProcesses().filter(({ uid, words }) => opened.isOurUid(uid) && words[0]?.endsWith('perl') === true);

  test('none before the first run, then as many as may be, each for one run', async () => {
    await using own = holding({ max: 1 });
    expect(own.held.size).toBe(0);
    await prepare(own.host);
    const argv = ['/usr/bin/id', '-u'];
    const uids = new Set<string>();
    for (let turn = 0; turn < 3; turn++) {
      await until(() => own.held.size === 1, 'a chain waits');
      const running = run(own.host, { argv });
      expect(own.held.size).toBe(0);
      uids.add((await running).stdout);
    }
    if (isRoot) expect(uids.size).toBe(3);
  });

  test('what is inside is the same as without', async () => {
    await using own = holding({ max: 1 });
    const files = [{ path: 'x', content: Buffer.from('file').toString('base64') }];
    /** What it tells from a chain begun ahead, and from one of its own. */
    const both = async (code: string) => {
      const job: SandboxJobInput = { language: 'bash', code, env: { A: 'ä b\n' }, files };
      await prepare(own.host);
      const running = run(own.host, job);
      expect(own.held.size).toBe(0);
      const [ahead, alone] = [await running, await run(opened.host, job)];
      expect(ahead).toMatchObject({ exit: 'ok', cgroup: alone.cgroup, uidIsolated: alone.uidIsolated });
      return [ahead.stdout, alone.stdout] as const;
    };
    const [ahead, alone] = await both('ulimit -a; env | sort; ls /proc/self/fd; cat x; pwd; umask');
    expect(ahead).toBe(alone);
    const told = await both('cat /proc/self/mountinfo; grep -v -E "ctxt|Vm|Rss|Cpus|Mems" /proc/self/status');
    // Mounts, processes and input folders have numbers of their own.
    const [first, second] = told.map((each) => each.replace(/[\da-f]+(-[\da-f]+){4}/g, 'ID').replace(/\d+/g, 'N'));
    expect(first).toBe(second ?? '');
  });

  test('limits and usage are those of the job alone (needs a cgroup)', async () => {
    if (opened.host.cgroups.version === 'none') return;
    await using own = holding({ max: 1 });
    const mib = 1024 * 1024;
    const code = `
import os, sys, time
held = bytearray(50 * 1024 * 1024)
born = 0
try:
    while True:
        if os.fork() == 0: time.sleep(60)
        born += 1
except OSError: print(born, flush=True)
os._exit(0)`;
    const job: SandboxJobInput = { language: 'python', code, limits: { pids: 7, memoryBytes: 256 * mib } };
    await prepare(own.host);
    const running = run(own.host, job);
    expect(own.held.size).toBe(0);
    for (const { exit, stdout, usage } of [await running, await run(opened.host, job)]) {
      expect({ exit, stdout }).toEqual({ exit: 'ok', stdout: '6\n' });
      expect(usage.maxRssBytes).toBeGreaterThan(50 * mib);
      expect(usage.maxRssBytes).toBeLessThan(150 * mib);
      expect(usage.cpuMs).toBeGreaterThan(0);
    }
    await prepare(own.host, { memoryBytes: 64 * mib });
    const large = { language: 'python', code: 'x = b"x" * 10**8', limits: { memoryBytes: 64 * mib } } as const;
    const tooLarge = run(own.host, large);
    expect(own.held.size).toBe(0);
    expect(await tooLarge).toMatchObject({ exit: 'oom' });
    while (own.host.leftovers.size > 0) await Promise.all(own.host.leftovers);
    await own.held[Symbol.asyncDispose]();
    expect(opened.cgroupsLeft()).toEqual([]);
  });

  test('takes words, input and output larger than a pipe', async () => {
    await using own = holding();
    await prepare(own.host);
    const argv = [
      '/usr/bin/bash',
      '-c',
      'cat; echo "$#"; echo "${@: -1}"',
      'x',
      ...Array<string>(200).fill('y'.repeat(900)),
      'ß\n',
    ];
    const stdin = Buffer.alloc(200_000, 'z').toString('base64');
    const running = run(own.host, { argv, stdin });
    const { exit, stdout } = await running;
    expect({ exit, end: stdout.slice(200_000) }).toEqual({ exit: 'ok', end: '201\nß\n\n' });
  });

  test('only those with the limits of the job are used; others make room', async () => {
    await using own = holding({ max: 1 });
    await prepare(own.host);
    const limits = { openFiles: 40 };
    const running = run(own.host, { language: 'bash', code: 'ulimit -n', limits });
    expect(own.held.size).toBe(1);
    expect((await running).stdout).toBe('40\n');
    await Promise.all(own.host.leftovers);
    await until(() => own.held.size === 1, 'a chain of the other kind waits');
    const again = run(own.host, { language: 'bash', code: 'ulimit -n', limits });
    expect(own.held.size).toBe(0);
    expect((await again).stdout).toBe('40\n');
  });

  test('none is begun while a run is on its way', async () => {
    await using own = holding();
    const stop = new AbortController();
    const long = run(own.host, { argv: ['/usr/bin/sleep', '30'] }, stop.signal).catch(() => 'aborted');
    await run(own.host, { argv: ['/usr/bin/true'] });
    while (own.host.leftovers.size > 0) await Promise.all(own.host.leftovers);
    expect(own.held.size).toBe(0);
    stop.abort();
    expect(await long).toBe('aborted');
    await until(() => own.held.size === 2, 'chains wait');
  });

  test.skipIf(!isRoot)(
    'one that died is not used; one that dies in that moment costs the run, and no more',
    async () => {
      await using own = holding({ max: 1 });
      const killWaiter = async () => {
        await prepare(own.host);
        await until(() => waiters().length === 1, 'it waits');
        process.kill(waiters()[0]?.pid ?? 0, 'SIGKILL');
      };
      await killWaiter();
      await until(() => own.held.size === 0, 'none waits');
      expect(await run(own.host, { argv: ['/usr/bin/true'] })).toMatchObject({ exit: 'ok' });
      await killWaiter();
      const { exit, error } = await run(own.host, { argv: ['/usr/bin/true'] });
      if (exit !== 'ok') expect(error).toMatchObject({ code: 'SETUP_FAILED' });
      expect(await run(own.host, { argv: ['/usr/bin/true'] })).toMatchObject({ exit: 'ok' });
    },
  );

  test('is ended when nobody wants it, and gives its uid and descriptors back', async () => {
    const fds = () => readdirSync('/proc/self/fd').length;
    const before = fds();
    await using own = holding({ unusedMs: 2_000 });
    await run(own.host, { argv: ['/usr/bin/true'] });
    await until(() => own.held.size > 0, 'a chain waits');
    await until(() => own.held.size === 0 && waiters().length === 0, 'none waits');
    await until(() => fds() <= before + 1, 'descriptors are closed');
  });

  test('abort, and jobs that cannot be laid out, leave nothing', async () => {
    await using own = holding({ max: 1 });
    await prepare(own.host);
    const running = run(own.host, { argv: ['/usr/bin/sleep', '30'] }, AbortSignal.timeout(1));
    expect(await thrower(running)).toThrow();
    await running.catch(() => undefined);
    await prepare(own.host);
    const folder = join(own.host.folder, 'none');
    expect(await thrower(run({ ...own.host, folder }, { language: 'bash', code: 'true' }))).toThrow('ENOENT');
    while (own.host.leftovers.size > 0) await Promise.all(own.host.leftovers);
    await own.held[Symbol.asyncDispose]();
    expect(waiters()).toEqual([]);
  });

  test('waits as nobody, without a right, and without anything of the executor', async () => {
    await using own = holding({ max: 1 });
    await prepare(own.host);
    if (!isRoot) return;
    await until(() => waiters().length === 1, 'it waits');
    const pid = waiters()[0]?.pid ?? 0;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${name}:\\s+0+$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toBe('');
    expect(
      readdirSync(`/proc/${pid}/fd`)
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('the end of the executor is its end', async () => {
    const helper = join(import.meta.dir, '../testing/hold-until-killed.ts');
    const words = [process.execPath, helper, opened.host.seccompPath];
    const child = Bun.spawn(words, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const { value } = await child.stdout.getReader().read();
      const pid = Number(new TextDecoder().decode(value));
      expect(hostProcesses().some((one) => one.pid === pid)).toBe(true);
      child.kill('SIGKILL');
      await until(() => hostProcesses().every((one) => one.pid !== pid || one.words[0] === ''), 'it is gone');
    } finally {
      child.kill('SIGKILL');
    }
  });

  const cases = [...namespaceCases, ...resourceCases];
  test.each(cases.map((each) => [each.name, each] as const))('the escape suite holds: %s', async (_, each) => {
    await using own = holding({ max: 1 });
    await prepare(own.host, sandboxJobSchema.parse(each.job(world)).limits);
    const trying = tryCase(own.host, each, world);
    expect(own.held.size).toBe(0);
    expect(await trying).toBeUndefined();
  });
});
