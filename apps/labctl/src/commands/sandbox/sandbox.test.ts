import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Executor } from '@labmesh/executor/executor';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import { serveExecutor } from '@labmesh/executor/serve-executor';
import { fakeSandbox, levelReport, until } from '@labmesh/executor/testing/fake-sandbox';
import { silentLogger } from '@labmesh/kit/log';
import type { LevelReport, SandboxResult } from '@labmesh/wire/verification/sandbox';
import { dispatch } from '../../dispatch.ts';
import { sandboxCommands } from '../../table/sandbox-commands.ts';
import { expectGolden } from '../../testing/golden.ts';
import { testWorld } from '../../testing/test-world.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-sandbox-'));
const at = (name: string) => join(root, name);
const socket = at('run/x.sock');
const levels: LevelReport[] = [
  { ...levelReport('SANDBOX_L0_WASM'), tools: { javascript: 'ES2023' } },
  { ...levelReport('SANDBOX_L1_NAMESPACE'), tools: { python: '3.11.2', bash: '5.2.15' }, cgroup: 'v2' },
  { ...levelReport('SANDBOX_L2_USERKERNEL', false), reason: 'runsc is not there\u001b[2J' },
];
const sandbox = fakeSandbox(levels);
const settings = { ...readSandboxSettings(undefined), minLevel: 'L0' as const };
const server = await serveExecutor(socket, new Executor({ sandbox, settings, log: silentLogger }), silentLogger);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});
writeFileSync(at('a.py'), 'print(1)\n');
writeFileSync(at('a.ts'), 'console.log(1)\n');
writeFileSync(at('a.txt'), 'echo 1\n');

async function labctl(words: readonly string[], changes: Parameters<typeof testWorld>[0] = {}) {
  const world = testWorld({ readStdin: async () => 'from stdin', ...changes });
  const exitCode = await dispatch(words, world);
  return { exitCode, ...world.said };
}

/** Runs the command against the fake, which ends the run so. */
async function run(words: readonly string[], end: Partial<SandboxResult> = {}, changes = {}) {
  const before = sandbox.runs.length;
  const running = labctl(['sandbox', 'run', '--socket', socket, ...words], changes);
  await until(() => sandbox.runs.length > before);
  const { job, end: finish } = sandbox.runs[before] ?? fail();
  finish(end);
  return { job, ...(await running) };
}
const fail = (): never => {
  throw new Error('nothing ran');
};

describe('sandbox probe', () => {
  test('tells a person each level, what runs in it, or what to install', async () => {
    const { exitCode, stdout } = await labctl(['sandbox', 'probe', '--socket', socket]);
    expect(exitCode).toBe(0);
    expectGolden(join(import.meta.dir, 'testdata', 'probe.golden.txt'), stdout);
  });

  test('tells a program the same', async () => {
    const { stdout } = await labctl(['sandbox', 'probe', '--json', '--socket', socket]);
    expect(JSON.parse(stdout)).toEqual({ levels });
  });

  test('6 when nobody answers', async () => {
    const { exitCode, stderr } = await labctl(['sandbox', 'probe', '--socket', at('none.sock')]);
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining('EXECUTOR_AWAY')]);
  });
});

describe('sandbox run', () => {
  test('hands over the program in its language, with limits and level', async () => {
    const { job, exitCode } = await run([at('a.py'), '--timeout', '5s', '--memory', '64MiB', '--level', 'L0']);
    expect(exitCode).toBe(0);
    expect(job).toMatchObject({ language: 'python', code: 'print(1)\n', stdin: '' });
    expect(job.limits).toMatchObject({ wallMs: 5_000, cpuMs: 5_000, memoryBytes: 64 * 1024 * 1024 });
    expect((await run([at('a.ts')])).job.language).toBe('typescript');
    expect((await run([at('a.txt'), '--language', 'bash'])).job.language).toBe('bash');
    expect((await run(['-', '--language', 'python'])).job.code).toBe('from stdin');
    expect((await run([at('a.py'), '-i'])).job.stdin).toBe(btoa('from stdin'));
  });

  test('with words the program is a file, and the words are its own', async () => {
    const { job } = await run([at('a.py'), '--', '--json', 'a b']);
    expect(job.argv).toEqual(['/usr/bin/python3', 'main.py', '--json', 'a b']);
    expect(job.files).toEqual([{ path: 'main.py', content: btoa('print(1)\n') }]);
    expect((await run([at('a.ts'), '--', 'x'])).job.argv?.slice(-2)).toEqual(['main.ts', 'x']);
  });

  test('ends as the program did, and says what ended it', async () => {
    for (const [end, exitCode, text] of [
      [{ exit: 'ok', code: 0 }, 0, ''],
      [{ exit: 'nonzero', code: 7 }, 7, ''],
      [{ exit: 'nonzero', code: 1, truncated: true }, 1, 'its output was cut at 1048576 bytes'],
      [{ exit: 'signal', code: null, signal: 'SIGSEGV' }, 139, 'ended by SIGSEGV'],
      [{ exit: 'wall' }, 124, 'ended: longer than 30 s'],
      [{ exit: 'cpu' }, 124, 'more than 30 s of CPU time'],
      [{ exit: 'oom' }, 137, 'more than 512 MiB of memory'],
      [{ exit: 'pids' }, 137, 'more than 64 processes'],
      [{ exit: 'output' }, 137, 'more than 1048576 bytes of output'],
      [{ exit: 'disk' }, 137, 'more than 64 MiB of files'],
      [{ exit: 'refused', error: { code: 'X_Y', message: 'why' } }, 125, 'not run: why (X_Y)'],
      [{ exit: 'sandbox_error', error: { code: 'X_Y', message: 'why' } }, 125, 'nothing was learned: why (X_Y)'],
    ] as const) {
      const found = await run([at('a.py')], end);
      expect([end.exit, found.exitCode]).toEqual([end.exit, exitCode]);
      expect(found.stderr).toContain(text);
      expect(found.stderr === '').toBe(text === '');
    }
  });

  test('a level that is not there: 125, and why', async () => {
    const { exitCode, stderr } = await labctl(['sandbox', 'run', '--socket', socket, '--level', 'L2', at('a.py')]);
    expect([exitCode, stderr]).toEqual([125, expect.stringContaining('LEVEL_UNAVAILABLE')]);
    expect(stderr).not.toContain('\u001b');
  });

  test('gives the program’s output as it is to a pipe, and harmless to a terminal', async () => {
    const end = { stdout: btoa('a\tb\n\u001b[2Jc\n'), stderr: btoa('e\u0007') };
    expect(await run([at('a.py')], end)).toMatchObject({ stdout: 'a\tb\n\u001b[2Jc\n', stderr: 'e\u0007' });
    expect(await run([at('a.py')], end, { columns: 80, stderrIsTerminal: true })).toMatchObject({
      stdout: 'a\tb\n\\x1b[2Jc\n',
      stderr: 'e\\x07',
    });
  });

  test('--json is the result, with the same exit code', async () => {
    const { exitCode, stdout, stderr } = await run([at('a.py'), '--json'], { exit: 'wall', code: null });
    expect(JSON.parse(stdout)).toMatchObject({
      exit: 'wall',
      level: 'SANDBOX_L1_NAMESPACE',
      limits: { wallMs: 30_000 },
    });
    expect([exitCode, stderr]).toEqual([124, '']);
  });

  test('--view compat is the original form, with the same exit code', async () => {
    const end = { exit: 'wall', code: null, stdout: btoa('half') } as const;
    const { exitCode, stdout, stderr } = await run([at('a.py'), '--view', 'compat'], end);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'timeout',
      stdout: 'half',
      exit_code: -1,
      tests_total: 0,
      metadata: { exit: 'wall' },
    });
    expect([exitCode, stderr]).toEqual([124, '']);
  });

  test('2 for what was asked wrongly', async () => {
    for (const [words, text] of [
      [[], 'which program is missing'],
      [[at('a.txt')], 'the language of'],
      [['-'], 'the language of -'],
      [[at('none.py')], 'cannot be read (ENOENT)'],
      [[root, '--language', 'python'], 'EISDIR'],
      [['-', '-i', '--language', 'python'], 'both want stdin'],
      [[at('a.py'), '--timeout', '10m'], 'limits.wallMs'],
      [[at('a.py'), '--memory', '64GiB'], 'limits.memoryBytes'],
      [[at('a.py'), '--level', 'L9'], 'L0'],
      [[at('a.py'), at('a.ts')], 'unexpected word'],
    ] as const) {
      const found = await labctl(['sandbox', 'run', '--socket', socket, ...words]);
      expect([words, found.exitCode, found.stderr]).toEqual([words, 2, expect.stringContaining(text)]);
    }
  });
});

test('golden: the help of each', async () => {
  const texts: string[] = [];
  for (const { name } of sandboxCommands) {
    texts.push(`$ labctl ${name} --help\n${(await labctl([...name.split(' '), '--help'])).stdout}`);
  }
  expectGolden(join(import.meta.dir, 'testdata', 'help.golden.txt'), texts.join('\n'));
});
