import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { type SandboxJobInput, sandboxJobSchema, sandboxResultSchema } from '@labmesh/wire/verification/sandbox';
import { hostProcesses } from '../testing/escape-world.ts';
import { needsNamespaces, openTestNamespace, type TestNamespace } from '../testing/open-test-namespace.ts';
import { runNamespace } from './run-namespace.ts';

const mib = 1024 * 1024;
const base64 = (text: string) => Buffer.from(text).toString('base64');
const text = (content: string) => Buffer.from(content, 'base64').toString();

describe.skipIf(needsNamespaces !== undefined)(`a job at L1 (${needsNamespaces ?? 'ready'})`, () => {
  let opened: TestNamespace;
  beforeAll(async () => {
    opened = await openTestNamespace();
  });
  afterAll(async () => opened[Symbol.asyncDispose]());

  const run = async (job: SandboxJobInput, signal?: AbortSignal) => {
    const result = await runNamespace(opened.host, sandboxJobSchema.parse(job), 'id', signal);
    sandboxResultSchema.parse(result);
    return { ...result, stdout: text(result.stdout), stderr: text(result.stderr) };
  };
  const bash = (code: string, more: Partial<SandboxJobInput> = {}) => run({ language: 'bash', code, ...more });

  test('gives back output, exit code, level and the limits that held', async () => {
    const result = await bash('read x; echo "out $x"; echo err >/dev/stderr; exit 3', { stdin: base64('in\n') });
    expect(result).toMatchObject({
      id: 'id',
      exit: 'nonzero',
      code: 3,
      signal: null,
      stdout: 'out in\n',
      stderr: 'err\n',
      truncated: false,
      level: 'SANDBOX_L1_NAMESPACE',
      uidIsolated: process.getuid?.() === 0,
      cgroup: opened.host.cgroups.version !== 'none',
      error: null,
    });
    expect(result.backend).toMatch(/^bubblewrap \d/);
    expect(result.limits.pids).toBe(64);
    expect(result.usage.wallMs).toBeGreaterThan(0);
  });

  test.each([
    ['python', 'import sys; print(sys.version_info.major)', '3\n'],
    ['javascript', 'console.log(typeof Bun)', 'object\n'],
    ['typescript', 'const a: number = 2; console.log(a)', '2\n'],
    ['bash', 'echo $((1+1))', '2\n'],
  ] as const)('runs %s', async (language, code, stdout) => {
    expect(await run({ language, code })).toMatchObject({ exit: 'ok', code: 0, stdout });
  });

  test('tells a signal by its name', async () => {
    expect(await bash('kill -SEGV $$')).toMatchObject({ exit: 'signal', code: null, signal: 'SIGSEGV' });
  });

  test('takes more input than a pipe holds, and does not mind a job that reads none', async () => {
    const stdin = Buffer.alloc(3 * mib, 'x').toString('base64');
    expect(await run({ argv: ['/usr/bin/wc', '-c'], stdin })).toMatchObject({ exit: 'ok', stdout: `${3 * mib}\n` });
    expect(await run({ argv: ['/usr/bin/true'], stdin })).toMatchObject({ exit: 'ok' });
  });

  test('lays files out read-only, and hands back what was made', async () => {
    const files = [{ path: 'in/a', content: base64('A') }];
    const code = 'cat in/a; echo changed >in/a; echo new >in/b; mkdir out; cp in/a out/c';
    const result = await bash(code, { files, collect: ['in/a', 'in/b', 'out/c', 'out/none'] });
    expect(result.stdout).toBe('A');
    expect(result.files.map(({ path, content }) => [path, text(content)])).toEqual([
      ['in/b', 'new\n'],
      ['out/c', 'A'],
    ]);
  });

  test('hands back files of a job that ends at once', async () => {
    for (let turn = 0; turn < 5; turn++) {
      const { files } = await run({ argv: ['/usr/bin/touch', 'x'], collect: ['x'] });
      expect(files).toEqual([{ path: 'x', content: '' }]);
    }
  });

  test('follows no link of a job to the host', async () => {
    const code = 'ln -s /etc/passwd a; ln -s / r; ln -s ../../../../etc e; ln -s /proc/self/root/etc/hostname h';
    expect((await bash(code, { collect: ['a', 'r/etc/passwd', 'e/passwd', 'h'] })).files).toEqual([]);
  });

  test('sets the job’s variables', async () => {
    expect(await bash('echo "$A $HOME"', { env: { A: 'b c', HOME: '/x' } })).toMatchObject({ stdout: 'b c /x\n' });
  });

  test.each([
    ['wall', { language: 'bash', code: 'sleep 30', limits: { wallMs: 300 } }],
    ['output', { language: 'bash', code: 'yes', limits: { outputBytes: 1000 } }],
    ['disk', { language: 'python', code: tooManyFiles(), limits: { tmpBytes: 8 * mib } }],
    ['disk', { language: 'bash', code: 'head -c 5000000 /dev/zero >x', limits: { fileBytes: mib } }],
    ['nonzero', { language: 'bash', code: 'ulimit -n; exec 100</dev/null', limits: { openFiles: 1 } }],
  ] as const)('ends with %s: %#', async (exit, job) => {
    expect((await run(job as SandboxJobInput)).exit).toBe(exit);
  });

  const held = () => opened.host.cgroups.version !== 'none';
  test.each([
    ['oom', { language: 'python', code: 'x = b"x" * 10**9', limits: { memoryBytes: 48 * mib } }],
    ['pids', { language: 'python', code: 'import os\nwhile os.fork(): pass\nos.pause()', limits: { pids: 5 } }],
    ['cpu', { language: 'bash', code: 'while :; do :; done', limits: { cpuMs: 300 } }],
  ] as const)('ends with %s (needs a cgroup)', async (exit, job) => {
    if (held()) expect((await run(job as SandboxJobInput)).exit).toBe(exit);
  });

  test('echoes limits as they were applied', async () => {
    const { limits } = await run({ argv: ['/usr/bin/true'], limits: { openFiles: 1, tmpBytes: 1 } });
    expect(limits).toMatchObject({ openFiles: 16, tmpBytes: 1 });
  });

  test('the least limits of the contract make no sandbox weaker', async () => {
    const { stdout } = await bash('df -B1 --output=size /tmp /dev/shm | tail -2', { limits: { tmpBytes: 1 } });
    expect(stdout.trim().split(/\s+/).map(Number)).toEqual([4096, 8 * mib]);
  });

  test('a program that is not there is no failure of the job', async () => {
    const result = await run({ argv: ['/usr/bin/no-such-program'] });
    expect(result).toMatchObject({ exit: 'sandbox_error', level: null, error: { code: 'PROGRAM_MISSING' } });
    expect(JSON.stringify(result)).not.toContain(opened.host.folder);
  });

  test('a result tells nothing of the host', async () => {
    const result = await run({ language: 'python', code: 'raise SystemExit(open("/etc/passwd").read())' });
    expect(result.exit).toBe('nonzero');
    for (const word of [opened.host.folder, process.cwd(), 'root:']) expect(JSON.stringify(result)).not.toContain(word);
  });

  test.each([
    [{ argv: ['/usr/bin/echo', 'a\0b'] }, 'NUL'],
    [{ argv: ['/usr/bin/echo', ...Array.from({ length: 200 }, () => 'x'.repeat(6000))] }, 'bytes'],
    [
      {
        argv: ['/usr/bin/true'],
        files: [
          { path: 'a', content: '' },
          { path: 'a/b', content: '' },
        ],
      },
      'lie beside',
    ],
    [{ language: 'python', code: '', files: [{ path: 'main.py', content: '' }] }, 'lie beside'],
  ] as const)('refuses what cannot be run: %#', async (job, message) => {
    expect(await thrower(run(job as unknown as SandboxJobInput))).toThrow(message);
  });

  test('refuses a language that is not there', async () => {
    const host = { ...opened.host, tools: {} };
    const job = sandboxJobSchema.parse({ language: 'python', code: '' });
    expect(await thrower(runNamespace(host, job, 'id'))).toThrow('there is no python');
  });

  test('ends at the caller’s word, before, at and after the start', async () => {
    for (const ms of [0, 1, 3, 6, 10, 50]) {
      const signal = ms === 0 ? AbortSignal.abort(new Error('enough')) : AbortSignal.timeout(ms);
      const begun = performance.now();
      await run({ argv: ['/usr/bin/sleep', '30'] }, signal).then(
        () => expect.unreachable(),
        (error: unknown) => expect(error).toBe(signal.reason),
      );
      expect(performance.now() - begun).toBeLessThan(10_000);
    }
  });

  test('without the cgroup that was to be there nothing is run, and nothing left', async () => {
    const make = () => {
      throw new Error('no space for a group');
    };
    const host = { ...opened.host, cgroups: { ...opened.host.cgroups, make } };
    if (!held()) return;
    const job = sandboxJobSchema.parse({ argv: ['/usr/bin/sleep', '30'] });
    const ends = await Promise.allSettled(Array.from({ length: 5 }, () => runNamespace(host, job, 'id')));
    expect(ends.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'));
    await Promise.all(opened.host.leftovers);
    const living = () => hostProcesses().filter(({ uid, words }) => opened.isOurUid(uid) && words[0] !== '');
    for (let tries = 0; tries < 1000 && living().length > 0; tries++) await Bun.sleep(10);
    expect(living()).toEqual([]);
  });

  test('many at once keep apart, and leave no descriptor, folder or uid', async () => {
    const fds = () => readdirSync('/proc/self/fd').length;
    const before = fds();
    const jobs = Array.from({ length: 12 }, (_, n) =>
      bash(`echo ${n} >mine; sleep 0.05; cat mine`, { collect: ['mine'] }),
    );
    const results = await Promise.all(jobs);
    expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, n) => `${n}\n`));
    await Promise.all(opened.host.leftovers);
    await Bun.sleep(50);
    expect(fds()).toBeLessThanOrEqual(before + 1);
    expect(readdirSync(opened.host.folder).filter((name) => name !== 'seccomp')).toEqual([]);
    expect(opened.cgroupsLeft()).toEqual([]);
  });

  test('a sibling cannot be seen: neither its files, processes, sockets nor memory', async () => {
    const bait = `
import os, socket, time
s = socket.socket(socket.AF_UNIX); s.bind('\\0sibling'); s.listen()
t = socket.socket(); t.bind(('127.0.0.1', 4444)); t.listen()
open('/tmp/secret', 'w').write('x'); open('/dev/shm/secret', 'w').write('x')
print('up', flush=True); time.sleep(1.5)`;
    const look = `
import os, socket, time
time.sleep(0.5)
def dial(family, address):
    try: socket.socket(family).connect(address); return True
    except OSError: return False
print(dial(socket.AF_UNIX, '\\0sibling'), dial(socket.AF_INET, ('127.0.0.1', 4444)), os.path.exists('/tmp/secret'), os.path.exists('/dev/shm/secret'), len([n for n in os.listdir('/proc') if n.isdigit()]))`;
    const [first, second] = await Promise.all([
      run({ language: 'python', code: bait }),
      run({ language: 'python', code: look }),
    ]);
    expect(first.stdout).toBe('up\n');
    expect(second.stdout).toBe('False False False False 2\n');
  });
});

function tooManyFiles(): string {
  return 'for n in range(20): open(str(n), "wb").write(bytes(10**6))\nimport time; time.sleep(0.1)';
}
