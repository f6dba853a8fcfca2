import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogFields, type Logger, silentLogger } from '@labmesh/kit/log';
import {
  levelReportSchema,
  type SandboxJobInput,
  sandboxJobSchema,
  sandboxLevels,
  type SandboxResult,
  sandboxResultSchema,
} from '@labmesh/wire/verification/sandbox';
import { openSandbox } from './open-sandbox.ts';
import type { Sandbox } from './sandbox.ts';
import { findProgram } from './find-program.ts';
import { isRoot, needsNamespaces } from './testing/open-test-namespace.ts';

const wasmCommand = [process.execPath, join(import.meta.dir, 'wasm/wasm-child.ts')];
const uidBase = 2_050_000_000 + (process.pid % 10_000) * 1024;
const options = { uidBase, log: silentLogger, bunPath: process.execPath, wasmCommand };

describe('a sandbox', () => {
  let sandbox: Sandbox;
  let tempDir: string;
  const lines: { msg: string; fields: LogFields | undefined }[] = [];
  const note = (msg: string, fields?: LogFields) => void lines.push({ msg, fields });
  const log: Logger = { debug: note, info: note, warn: note, error: note, child: () => log };

  beforeAll(async () => {
    tempDir = mkdtempSync(join(tmpdir(), 'open-sandbox-'));
    chmodSync(tempDir, 0o711);
    sandbox = await openSandbox({ ...options, log, tempDir });
  });
  afterAll(async () => {
    await sandbox[Symbol.asyncDispose]();
    expect(readdirSync(tempDir)).toEqual([]);
    rmSync(tempDir, { recursive: true });
  });

  const run = (job: SandboxJobInput) => sandbox.run(sandboxJobSchema.parse(job), 'id');

  test('reports every level, and why one is not ready', () => {
    const levels = sandbox.levels();
    expect(levels.map(({ level }) => level)).toEqual([...sandboxLevels]);
    for (const report of levels) {
      levelReportSchema.parse(report);
      if (!report.ready) expect(report.reason).toBeString();
    }
    expect(levels.slice(2).every(({ ready, reason }) => !ready && reason?.includes('no driver'))).toBe(true);
    expect(levels[0]?.ready).toBe(true);
  });

  test('a job runs at the lowest level that will do', async () => {
    const code = 'console.log(1)';
    expect((await run({ minLevel: 'SANDBOX_L0_WASM', language: 'javascript', code })).level).toBe('SANDBOX_L0_WASM');
    if (needsNamespaces !== undefined) return;
    expect((await run({ language: 'javascript', code })).level).toBe('SANDBOX_L1_NAMESPACE');
    // L0 has no Python.
    const python = await run({ minLevel: 'SANDBOX_L0_WASM', language: 'python', code: 'print(1)' });
    expect([python.exit, python.level]).toEqual(['ok', 'SANDBOX_L1_NAMESPACE']);
  });

  test.each(sandboxLevels.slice(2))('no job runs at less than %s when that was asked for', async (minLevel) => {
    const result = await run({ minLevel, argv: ['/usr/bin/true'] });
    expect(sandboxResultSchema.parse(result)).toMatchObject({
      exit: 'refused',
      level: null,
      code: null,
      error: { code: 'LEVEL_UNAVAILABLE' },
    });
  });

  test('what cannot be run is refused with a name', async () => {
    const files = [
      { path: 'a', content: '' },
      { path: 'a', content: '' },
    ];
    const result = await run({ argv: ['/usr/bin/true'], files });
    expect(result.error?.code).toBe(needsNamespaces === undefined ? 'JOB_INVALID' : 'LEVEL_UNAVAILABLE');
  });

  test('the caller’s word is thrown', async () => {
    const job = sandboxJobSchema.parse({ argv: ['/usr/bin/true'] });
    expect(await thrower(sandbox.run(job, 'id', AbortSignal.abort(new Error('enough'))))).toThrow('enough');
  });

  test('nothing of a job stands in the log', async () => {
    const secret = 'hush-4711';
    await run({ argv: [`/usr/bin/${secret}`] });
    await run({ language: 'bash', code: `echo ${secret}; exit 1`, env: { A: secret } });
    await run({ minLevel: 'SANDBOX_L0_WASM', language: 'javascript', code: `throw "${secret}"` });
    expect(JSON.stringify(lines)).not.toContain(secret);
  });
});

describe.skipIf(needsNamespaces !== undefined)(`a sandbox that cannot be made (${needsNamespaces ?? 'ready'})`, () => {
  test.skipIf(!isRoot)('says what is in its way, and the others stay', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'closed-'));
    chmodSync(closed, 0o700);
    const sandbox = await openSandbox({ ...options, tempDir: closed });
    const [l0, l1] = sandbox.levels();
    expect([l0?.ready, l1?.ready]).toEqual([true, false]);
    expect(l1?.reason).toContain('Permission denied');
    await sandbox[Symbol.asyncDispose]();
    rmSync(closed, { recursive: true });
  });

  test.skipIf(!isRoot)('a Bun that sandboxes cannot read is copied to where they can', async () => {
    const home = mkdtempSync(join(tmpdir(), 'home-'));
    const bunPath = join(home, 'bun');
    await Bun.write(bunPath, Bun.file(process.execPath));
    chmodSync(bunPath, 0o755);
    await using sandbox = await openSandbox({ ...options, bunPath });
    const job = sandboxJobSchema.parse({ language: 'typescript', code: 'console.log(1 as number)' });
    expect((await sandbox.run(job, 'id')).exit).toBe('ok');
    rmSync(home, { recursive: true });
  });

  test('without Bun there is no JavaScript at L1', async () => {
    await using sandbox = await openSandbox({ ...options, bunPath: '/usr/bin/true' });
    expect(sandbox.levels()[1]?.tools['bun']).toBeUndefined();
    const result = await sandbox.run(sandboxJobSchema.parse({ language: 'typescript', code: '1' }), 'id');
    expect(result).toMatchObject({ exit: 'refused', error: { code: 'TOOL_MISSING' } });
  });
});

test('an uid range with root’s uid in it is refused', async () => {
  if (isRoot) expect(await thrower(openSandbox({ ...options, uidBase: 0 }))).toThrow('sandbox.uid_base');
});

const setpriv = findProgram('setpriv');
describe.skipIf(!isRoot || setpriv === undefined || needsNamespaces !== undefined)(
  'without root (needs root to become nobody, util-linux, bubblewrap)',
  () => {
    test('both levels work, and say that the uid is ours', async () => {
      const uid = 54_321;
      const tempDir = mkdtempSync(join(tmpdir(), 'nobody-'));
      chownSync(tempDir, uid, uid);
      const helper = join(import.meta.dir, 'testing/open-as-anybody.ts');
      const words = [setpriv ?? '', '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups'];
      const child = Bun.spawn([...words, process.execPath, helper, tempDir], {
        env: {},
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const { levels, results } = JSON.parse(await new Response(child.stdout).text()) as {
        levels: unknown[];
        results: SandboxResult[];
      };
      expect(levels.slice(0, 2)).toMatchObject([
        { ready: true, uidIsolated: false },
        { ready: true, uidIsolated: false, cgroup: 'none' },
      ]);
      expect(results).toMatchObject([
        { exit: 'ok', level: 'SANDBOX_L0_WASM', uidIsolated: false },
        { exit: 'ok', level: 'SANDBOX_L1_NAMESPACE', uidIsolated: false, cgroup: false, stderr: btoa('e\n') },
        { exit: 'nonzero' },
      ]);
      expect(results[1]?.files).toEqual([{ path: 'made', content: btoa('x\n') }]);
      expect(readdirSync(tempDir)).toEqual([]);
      rmSync(tempDir, { recursive: true });
    });
  },
);
