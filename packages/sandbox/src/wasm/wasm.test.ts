/** Level L0 and its escape suite: what a job can see, take, and leave behind (verification SB10, SB18). */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { type SandboxJobInput, sandboxJobSchema, sandboxResultSchema } from '@labmesh/wire/verification/sandbox';
import { UidPool } from '../namespace/uid-pool.ts';
import { hostProcesses } from '../testing/escape-world.ts';
import { openWasm, type Wasm } from './open-wasm.ts';

const command = [process.execPath, join(import.meta.dir, 'wasm-child.ts')];
const isRoot = process.getuid?.() === 0;
const uids = isRoot ? new UidPool(2_000_000_000 + (process.pid % 10_000) * 1024) : undefined;
const mib = 1024 * 1024;
const children = () => hostProcesses().filter(({ words }) => words.some((word) => word === command[1]));
const ours = () => children().filter(({ parent }) => parent === process.pid);

describe('a job at L0', () => {
  let wasm: Wasm;
  beforeAll(async () => {
    wasm = await openWasm({ command, uids, log: silentLogger });
  });
  afterAll(async () => wasm[Symbol.asyncDispose]());

  const run = async (code: string, more: Partial<SandboxJobInput> = {}, signal?: AbortSignal) => {
    const job = sandboxJobSchema.parse({ minLevel: 'SANDBOX_L0_WASM', language: 'javascript', code, ...more });
    const result = await wasm.run(job, 'id', signal);
    sandboxResultSchema.parse(result);
    const [stdout, stderr] = [result.stdout, result.stderr].map((text) => Buffer.from(text, 'base64').toString());
    return { ...result, stdout: stdout ?? '', stderr: stderr ?? '' };
  };
  const told = async (expression: string) => (await run(`console.log(JSON.stringify(${expression}))`)).stdout.trim();

  test('is reported with its version', () => {
    expect(wasm.report).toMatchObject({ level: 'SANDBOX_L0_WASM', ready: true, uidIsolated: isRoot, reason: null });
    expect(wasm.report.version).toMatch(/^\d+\.\d+/);
  });

  test('sees its inputs and gives back what it wrote', async () => {
    const files = [{ path: 'a/b', content: Buffer.from('file').toString('base64') }];
    const stdin = Buffer.from('in').toString('base64');
    const code = 'console.log(stdin, files["a/b"], env.A, { a: [1] }, 10n); console.error("err");';
    expect(await run(code, { files, stdin, env: { A: 'x' } })).toMatchObject({
      id: 'id',
      exit: 'ok',
      code: 0,
      stdout: 'in file x {"a":[1]} 10n\n',
      stderr: 'err\n',
      truncated: false,
      level: 'SANDBOX_L0_WASM',
      cgroup: false,
      error: null,
    });
  });

  test('tells what was thrown', async () => {
    const { exit, code, stderr } = await run('throw new TypeError("bad")');
    expect([exit, code]).toEqual(['nonzero', 1]);
    expect(stderr).toContain('TypeError: bad');
    expect((await run('throw "text"')).stderr).toContain('Uncaught text');
    expect(await run('throw null')).toMatchObject({ exit: 'nonzero', stderr: 'Uncaught null\n' });
    const traps = [
      '{ name: { toString: 1 } }',
      '{ get name() { throw 1; } }',
      '[]',
      'Symbol("x")',
      'new Proxy({}, {})',
      '() => 1',
    ];
    for (const trap of traps) expect((await run(`throw ${trap}`)).exit, trap).toBe('nonzero');
    expect((await run('syntax error')).stderr).toContain('SyntaxError');
  });

  test('runs what it promised', async () => {
    expect((await run('(async () => { await 1; console.log("later"); })()')).stdout).toBe('later\n');
  });

  test('has the language and nothing of the host', async () => {
    const names = [
      'process',
      'require',
      'fetch',
      'Bun',
      'module',
      'WebAssembly',
      'Worker',
      'setTimeout',
      'Deno',
      'std',
      'os',
    ];
    expect(await told(`${JSON.stringify(names)}.filter((name) => name in globalThis)`)).toBe('[]');
    expect(await told('Object.keys(globalThis).sort()')).toBe('["console","env","files","stdin"]');
  });

  test.each([
    'import("node:fs").then((m) => console.log("got", typeof m.readFileSync))',
    'console.log("got", typeof Function("return this")().process.pid)',
    'console.log("got", typeof console.log.constructor("return process")().pid)',
    'console.log("got", typeof (() => {}).constructor.constructor("return Bun")().spawn)',
    'import fs from "node:fs"; console.log("got", fs)',
  ])('does not get out: %s', async (code) => expect((await run(code)).stdout).not.toContain('got'));

  test('a job that changes the language changes it for itself', async () => {
    const code =
      'globalThis.left = 1; Array.prototype.map = JSON.stringify = () => { throw 1; }; console.log({}, [1]);';
    expect(await run(code)).toMatchObject({ exit: 'ok', stdout: '{} [1]\n' });
    expect(await told('[typeof left, [1].map((x) => x + 1)]')).toBe('["undefined",[2]]');
  });

  test.each([
    ['wall', 'while (true) {}', { wallMs: 200 }],
    ['cpu', 'while (true) {}', { cpuMs: 200 }],
    ['wall', 'const f = () => Promise.resolve().then(f); f()', { wallMs: 200 }],
    ['wall', '[2, 1].sort(() => { while (true) {} })', { wallMs: 200 }],
    ['wall', '/(a+)+$/.test("a".repeat(40) + "b")', { wallMs: 200 }],
    // No built-in function of its kind can be interrupted: the child is ended.
    ['wall', '123n ** (10n ** 6n)', { wallMs: 200 }],
    ['cpu', 'new Array(4294967295).indexOf(1)', { cpuMs: 200 }],
    ['oom', 'const a = []; while (true) a.push(new Uint8Array(1e6))', {}],
    ['oom', '"x".repeat(1e9)', {}],
    ['output', 'while (true) console.log("x".repeat(1000))', { outputBytes: 5000 }],
    ['output', 'console.error("x".repeat(1000))', { outputBytes: 500 }],
    ['nonzero', 'const f = () => f(); f()', {}],
    ['nonzero', 'JSON.parse("[".repeat(1e6))', {}],
    ['nonzero', 'eval("(".repeat(1e5) + ")".repeat(1e5))', {}],
    ['nonzero', 'let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x', {}],
  ] as const)('ends with %s: %s', async (exit, code, limits) => {
    const result = await run(code, { limits });
    expect(result.exit).toBe(exit);
    expect(result.error).toBeNull();
    expect(result.usage.maxRssBytes ?? 0).toBeLessThanOrEqual(32 * mib);
    // Whatever became of the child: the next job finds a sound one.
    expect((await run('console.log(1)')).stdout).toBe('1\n');
  });

  test('the cap on output is of each stream, in bytes, and the beginning stays', async () => {
    const result = await run('console.log("é".repeat(9)); console.error("b")', { limits: { outputBytes: 5 } });
    expect(result.truncated).toBe(true);
    expect(
      Buffer.from(
        (
          await wasm.run(
            sandboxJobSchema.parse({
              language: 'javascript',
              code: 'console.log("é".repeat(9))',
              limits: { outputBytes: 5 },
            }),
            'id',
          )
        ).stdout,
        'base64',
      ),
    ).toEqual(Buffer.from([0xc3, 0xa9, 0xc3, 0xa9, 0xc3]));
  });

  test('memory is the engine’s 32 MiB, or less, whatever was asked', async () => {
    const { limits } = await run('1');
    expect(limits.memoryBytes).toBe(32 * mib);
    expect((await run('1', { limits: { memoryBytes: 20 * mib } })).limits.memoryBytes).toBe(20 * mib);
    expect((await run('new Uint8Array(18 * 2**20)', { limits: { memoryBytes: 20 * mib } })).exit).toBe('oom');
  });

  test('a job that kills the child from outside is no failure of the job', async () => {
    const running = run('while (true) {}', { limits: { wallMs: 10_000 } });
    await Bun.sleep(100);
    for (const { pid } of ours()) process.kill(pid, 'SIGKILL');
    expect(await running).toMatchObject({ exit: 'sandbox_error', level: null, error: { code: 'WORKER_DIED' } });
    expect((await run('console.log(1)')).stdout).toBe('1\n');
  });

  test('ends at the caller’s word', async () => {
    const signal = AbortSignal.timeout(50);
    expect(await thrower(run('while (true) {}', {}, signal))).toThrow('timed out');
    expect(await thrower(run('1', {}, AbortSignal.abort(new Error('enough'))))).toThrow('enough');
  });

  test('what this level cannot do is refused', async () => {
    expect(await thrower(run('1', { collect: ['a'] }))).toThrow('no files');
    expect(await thrower(run('1', { language: 'python' }))).toThrow('JavaScript code only');
    expect(await thrower(run('1', { stdin: btoa('x'.repeat(9 * mib)) }))).toThrow('at most');
  });

  test('many at once keep apart', async () => {
    const results = await Promise.all(Array.from({ length: 6 }, (_, n) => run(`console.log(globalThis.n ??= ${n})`)));
    expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, n) => `${n}\n`));
    expect(ours().length).toBeLessThanOrEqual(6);
  });

  test.skipIf(!isRoot)('the child has a uid of its own in all its threads, no capability, and gains none', async () => {
    await run('1');
    const [child] = ours();
    const threads = readdirSync(`/proc/${child?.pid}/task`);
    expect(threads.length).toBeGreaterThan(0);
    for (const thread of threads) {
      const status = readFileSync(`/proc/${child?.pid}/task/${thread}/status`, 'utf8');
      const [, uid] = /^Uid:\s+(\d+)\t\1\t\1\t\1$/m.exec(status) ?? [];
      expect(uids?.holds(Number(uid))).toBe(true);
      expect(status).toMatch(/^Groups:\s*$/m);
      for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
        expect(status).toMatch(new RegExp(`^${name}:\\s+0+$`, 'm'));
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    }
  });

  test('the child sees nothing of our environment', () => {
    for (const { pid } of ours()) {
      const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((line) => line.split('=')[0]);
      expect(names.filter((name) => name !== '' && !name?.startsWith('BUN_'))).toEqual([]);
    }
  });
});

describe('opening L0', () => {
  test('a child that cannot start is a reason, not an error', async () => {
    for (const bad of [['/nonexistent/program'], ['/usr/bin/false'], ['/usr/bin/yes']]) {
      const wasm = await openWasm({ command: bad, uids, log: silentLogger });
      expect(wasm.report.ready).toBe(false);
      expect(wasm.report.reason).toContain('engine');
      await wasm[Symbol.asyncDispose]();
    }
  });

  test('leaves no process behind', async () => {
    const wasm = await openWasm({ command, uids, log: silentLogger });
    expect(ours().length).toBeGreaterThan(0);
    await wasm[Symbol.asyncDispose]();
    expect(ours()).toEqual([]);
  });

  test('the child ends when its parent closes its stdin', async () => {
    const child = Bun.spawn(command, { stdio: ['pipe', 'pipe', 'ignore'] });
    void child.stdin.write('{"uid":null}\n');
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  });
});
