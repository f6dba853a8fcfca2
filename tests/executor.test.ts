/** The executor as it runs: a process of its own, real sandboxes, ends of every kind (verification SB1-SB4, SB6, AC3). */
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { ExecutorError, executorClient } from '@labmesh/link/calls/executor-client';
import { compatResultSchema } from '@labmesh/wire/verification/compat-result';
import type { SandboxJobInput } from '@labmesh/wire/verification/sandbox';
import { LabctlHome } from './harness/labctl-process.ts';

const program = resolve(import.meta.dir, '../apps/labctl/src/main.ts');
const root = mkdtempSync(join(tmpdir(), 'executor-story-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

type Ready = { ready: true; pid: number; socket: string; levels: string[] };

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 1_500; tries++) {
    if (await holds()) return;
    await Bun.sleep(10);
  }
  throw new Error(`${what} did not come to hold`);
}

/** Starts it and waits for its ready line. */
async function start(...flags: string[]) {
  const socket = join(root, `${++places}`, 'x.sock');
  return startAt(socket, ...flags);
}
async function startAt(socket: string, ...flags: string[]) {
  const words = [process.execPath, '--no-install', program, 'lab-executor', '--owned', '--socket', socket, ...flags];
  const child = Bun.spawn(words, { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });
  const errors = child.stderr.text();
  const lines = child.stdout.getReader();
  const { value } = await lines.read();
  if (value === undefined) throw new Error(await errors);
  const ready = JSON.parse(new TextDecoder().decode(value)) as Ready;
  const end = async () => {
    child.kill('SIGTERM');
    return child.exited;
  };
  const dispose = async () => void (await end());
  return {
    ...executorClient({ socketPath: socket }),
    child,
    ready,
    socket,
    errors,
    end,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Processes with this in their words, wherever they run: a sandbox's too. */
const processesWith = (mark: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark);
    } catch {
      return false;
    }
  });

const runsPython = (pid: string) => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('python');
  } catch {
    return false;
  }
};

/** Cgroups of sandboxes that an executor made. */
function cgroupsOf(pid: number): string[] {
  const found: string[] = [];
  const list = (folder: string) => {
    try {
      return readdirSync(folder, { withFileTypes: true });
    } catch {
      // Of somebody's sandbox that has just ended.
      return [];
    }
  };
  const look = (folder: string, depth: number) => {
    for (const entry of list(folder)) {
      if (!entry.isDirectory()) continue;
      if (entry.name.startsWith(`labmesh-sandbox-${pid}-`)) found.push(join(folder, entry.name));
      else if (depth > 0) look(join(folder, entry.name), depth - 1);
    }
  };
  if (existsSync('/sys/fs/cgroup')) look('/sys/fs/cgroup', 4);
  return found;
}

let marks = 0;
/** Runs until it is ended, and can be told from all others. */
function endless(): { job: SandboxJobInput; mark: string } {
  const mark = `mark${process.pid}x${++marks}x`;
  return { mark, job: { argv: ['/usr/bin/python3', '-c', `import time; time.sleep(600) # ${mark}`] } };
}
const text = (base64: string) => Buffer.from(base64, 'base64').toString();

const probe = await start('--min-level=L0');
const levels = await probe.levels();
await probe.end();
const isReady = (name: string) => levels.find(({ level }) => level === name)?.ready === true;
const missing = levels.find(({ level }) => level === 'SANDBOX_L1_NAMESPACE')?.reason ?? '';

describe('the levels', () => {
  test('SB1 are reported with backend or reason, and the ready line names those that are', () => {
    expect(levels.map(({ level }) => level).slice(0, 2)).toEqual(['SANDBOX_L0_WASM', 'SANDBOX_L1_NAMESPACE']);
    for (const { ready, backend, version, reason } of levels) {
      expect(ready ? backend !== null && version !== null : (reason ?? '') !== '').toBe(true);
    }
    expect(probe.ready.levels).toEqual(levels.filter(({ ready }) => ready).map(({ level }) => level));
  });

  test('SB1 one that is not there is refused, whatever else is ready', async () => {
    await using executor = await start();
    const refused = await executor.run({ argv: ['/usr/bin/true'], minLevel: 'SANDBOX_L4_VM_HW' });
    expect(refused).toMatchObject({ exit: 'refused', level: null, error: { code: 'LEVEL_UNAVAILABLE' } });
  });

  test('L0 runs JavaScript', async () => {
    await using executor = await start('--min-level=L0', '--level=L0');
    const job = { language: 'javascript', code: 'console.log(6 * 7)', minLevel: 'SANDBOX_L0_WASM' } as const;
    expect(await executor.run(job)).toMatchObject({ exit: 'ok', level: 'SANDBOX_L0_WASM', stdout: btoa('42\n') });
    expect(await executor.pool()).toEqual({ poolSize: 4, available: 4, inUse: 0, waiting: 0 });
  });
});

const hasNetworks = process.getuid?.() === 0 && ['unshare', 'ip'].every((name) => Bun.which(name) !== null);
test.skipIf(!hasNetworks)(
  'it does not start on a node of the network plane (needs root, util-linux, iproute2)',
  async () => {
    // An interface of a network of its own: nobody else sees it.
    const words = `ip link set lo name labman0 && exec "$0" --no-install "$1" lab-executor --socket "$2"`;
    const argv = ['unshare', '-n', 'sh', '-c', words, process.execPath, program, join(root, 'node/x.sock')];
    const child = Bun.spawn(argv, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect([code, out, err]).toEqual([8, '', expect.stringContaining('EXECUTOR_ON_NETWORK_NODE')]);
    expect(err).toContain('interface labman0');
    expect(existsSync(join(root, 'node'))).toBe(false);
  },
);

describe.skipIf(!isReady('SANDBOX_L1_NAMESPACE'))(`runs at L1 (needs bubblewrap) ${missing}`, () => {
  test('SB2 come back with what they printed, their code and what applied', async () => {
    await using executor = await start();
    const code = 'import sys; print(sys.stdin.read()); sys.exit(3)';
    const result = await executor.run({ language: 'python', code, stdin: btoa('hello'), limits: { wallMs: 20_000 } });
    expect(result).toMatchObject({
      exit: 'nonzero',
      code: 3,
      level: 'SANDBOX_L1_NAMESPACE',
      limits: { wallMs: 20_000 },
    });
    expect(text(result.stdout)).toBe('hello\n');
    await executor.end();
    const events = (await executor.errors).split('\n').filter((line) => line.includes(result.id));
    expect(events.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'run created',
      'run started',
      'run ended',
    ]);
    expect(await executor.errors).not.toContain('hello');
  });

  test('SB3 the compat view has the counts of a report that the job collects', async () => {
    await using executor = await start();
    const tests = `import { expect, test } from 'bun:test';
      test('a', () => expect(1).toBe(1)); test('b', () => expect(1).toBe(2)); test.skip('c', () => {});`;
    const words = ['--timeout=20000', '--reporter=junit', '--reporter-outfile=/tmp/junit.xml', '/tmp/a.test.ts'];
    const job = {
      argv: ['/opt/bun', 'test', ...words],
      env: { BUN_BE_BUN: '1' },
      files: [{ path: 'a.test.ts', content: btoa(tests) }],
      collect: ['junit.xml'],
      limits: { memoryBytes: 1024 ** 3 },
    };
    const url = 'http://executor/v1/run?view=compat';
    const answer = await fetch(url, { unix: executor.socket, method: 'POST', body: JSON.stringify(job) });
    expect(compatResultSchema.parse(await answer.json())).toMatchObject({
      status: 'failure',
      exit_code: 1,
      tests_passed: 1,
      tests_failed: 1,
      tests_total: 3,
      metadata: { isolation: 'SANDBOX_L1_NAMESPACE', tests_report: 'junit.xml' },
    });
  });

  test('SB4 as many as the pool has, the rest wait; all counts are exact at the end', async () => {
    await using executor = await start('--pool=2');
    const runs = [endless(), endless(), endless()];
    const callers = runs.map(() => new AbortController());
    const results = runs.map(({ job }, at) =>
      executor.run(job, callers[at]?.signal).catch((error: Error) => error.name),
    );
    await until(async () => (await executor.pool()).waiting === 1, 'one that waits');
    await until(() => runs.filter(({ mark }) => processesWith(mark).length > 0).length === 2, 'two that run');
    expect(await executor.pool()).toEqual({ poolSize: 2, available: 0, inUse: 2, waiting: 1 });
    for (const caller of callers) caller.abort();
    expect(await Promise.all(results)).toEqual(['AbortError', 'AbortError', 'AbortError']);
    await until(async () => (await executor.pool()).available === 2, 'a free pool');
    expect(runs.flatMap(({ mark }) => processesWith(mark))).toEqual([]);
    // Of chains begun for the next jobs.
    const ahead = 2;
    const groups = () => new Set(cgroupsOf(executor.ready.pid).map((folder) => basename(folder))).size;
    await until(() => groups() <= ahead, 'no cgroups of runs');
    expect(await executor.end()).toBe(0);
    expect(groups()).toBe(0);
  });

  test('SB4 a client that is killed ends its run', async () => {
    await using executor = await start();
    const { job, mark } = endless();
    const script = `await fetch('http://x/v1/run', { unix: ${JSON.stringify(executor.socket)}, method: 'POST', body: ${JSON.stringify(JSON.stringify(job))} })`;
    const client = Bun.spawn([process.execPath, '-e', script]);
    // The words of the client have the mark too.
    await until(() => processesWith(mark).length > 1, 'a run');
    client.kill('SIGKILL');
    await until(() => processesWith(mark).length === 0, 'the end of the run');
    await until(async () => (await executor.pool()).available === 4, 'a free pool');
  });

  test('AC3 killed in the middle of a run: a named error, nothing runs on, the next start is clean', async () => {
    const executor = await start();
    const { job, mark } = endless();
    const running = executor.run(job).catch((error: unknown) => error);
    await until(() => processesWith(mark).length > 0, 'a run');
    executor.child.kill('SIGKILL');
    const error = await running;
    expect(error instanceof ExecutorError && error.code).toBe('EXECUTOR_AWAY');
    await until(() => !processesWith(mark).some(runsPython), 'the end of the run');
    await executor.child.exited;
    await using next = await startAt(executor.socket);
    await until(() => processesWith(mark).length === 0, 'a clean start');
    expect(await next.pool()).toEqual({ poolSize: 4, available: 4, inUse: 0, waiting: 0 });
    expect(cgroupsOf(executor.ready.pid)).toEqual([]);
    expect(await next.run({ argv: ['/usr/bin/true'] })).toMatchObject({ exit: 'ok' });
  });

  test('its end kills what runs, tells who waits, and leaves nothing', async () => {
    const executor = await start('--pool=1');
    const { job, mark } = endless();
    const runs = [executor.run(job), executor.run(job)];
    await until(async () => processesWith(mark).length > 0 && (await executor.pool()).waiting === 1, 'a run');
    expect(await executor.end()).toBe(0);
    expect((await Promise.all(runs)).map(({ exit, error }) => [exit, error?.code])).toEqual([
      ['refused', 'EXECUTOR_STOPPING'],
      ['refused', 'EXECUTOR_STOPPING'],
    ]);
    expect([processesWith(mark), cgroupsOf(executor.ready.pid), existsSync(executor.socket)]).toEqual([[], [], false]);
  });

  test('ends when whoever started it is gone', async () => {
    const executor = await start();
    const { job, mark } = endless();
    const running = executor.run(job);
    await until(() => processesWith(mark).length > 0, 'a run');
    await executor.child.stdin.end();
    expect(await executor.child.exited).toBe(0);
    expect((await running).error?.code).toBe('EXECUTOR_STOPPING');
    expect(processesWith(mark)).toEqual([]);
  });

  test('its environment, folder and descriptors do not reach a job', async () => {
    await using executor = await start();
    const code = 'import os; print(sorted(os.environ), sorted(os.listdir("/proc/self/fd"))[:3], os.listdir("/tmp"))';
    const result = await executor.run({ language: 'python', code });
    expect(text(result.stdout)).not.toContain(root);
    expect(text(result.stdout)).toStartWith(
      "['BUN_BE_BUN', 'HOME', 'LANG', 'PATH', 'PWD'] ['0', '1', '2'] ['main.py']",
    );
  });
});

describe.skipIf(!isReady('SANDBOX_L1_NAMESPACE'))(`labctl sandbox (needs bubblewrap) ${missing}`, () => {
  using home = new LabctlHome([process.execPath, '--no-install', program]);
  const path = (name: string, code: string) => {
    mkdirSync(home.folder, { recursive: true });
    writeFileSync(join(home.folder, name), code);
    return join(home.folder, name);
  };
  afterAll(() => rmSync(home.folder, { recursive: true, force: true }));

  test('runs a program by an executor of its own, and ends as it did', async () => {
    const sum = path('sum.py', 'import sys\nprint(sum(map(int, sys.argv[1:])))\nsys.exit(9)\n');
    expect(await home.run('sandbox', 'run', sum, '--', '1', '2')).toEqual({ exitCode: 9, stdout: '3\n', stderr: '' });
    const loop = await home.run('sandbox', 'run', '--timeout', '1s', path('loop.py', 'while True: pass\n'));
    expect([loop.exitCode, loop.stderr]).toEqual([124, expect.stringContaining('ended: ')]);
    const large = path('large.py', 'x = bytearray(300 * 1024 * 1024)\n');
    const oom = await home.run('sandbox', 'run', '--memory', '64MiB', large);
    expect(oom.exitCode).not.toBe(0);
  });

  test.each([
    ['a.ts', 'const n: number = 6; console.log(n * 7, process.argv.length)'],
    ['a.js', 'console.log(6 * 7, process.argv.length)'],
    ['a.sh', 'echo 42 $(($# + 2))'],
  ])('runs %s with words', async (name, code) => {
    const { stdout, stderr } = await home.run('sandbox', 'run', path(name, code), '--', 'x', 'y');
    expect([stderr, stdout]).toEqual(['', '42 4\n']);
  });

  test('at L0 too, which takes no words', async () => {
    const js = path('b.js', 'console.log([1, 2].map((n) => n + 1).join())');
    expect(await home.run('sandbox', 'run', '--level', 'L0', js)).toMatchObject({ exitCode: 0, stdout: '2,3\n' });
  });

  test('probes by itself', async () => {
    const { exitCode, stdout } = await home.run('sandbox', 'probe', '--json');
    expect([exitCode, (JSON.parse(stdout) as { levels: unknown[] }).levels.length]).toEqual([0, levels.length]);
  });
});
