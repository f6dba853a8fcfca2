import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { createLogger } from '@labmesh/kit/log';
import { ExecutorError, executorClient } from '@labmesh/link/calls/executor-client';
import { compatResultSchema } from '@labmesh/wire/verification/compat-result';
import { sandboxCeilings, type SandboxJobInput, sandboxResultSchema } from '@labmesh/wire/verification/sandbox';
import { Executor } from './executor.ts';
import { bodyLimits, readJob } from './executor-routes.ts';
import { readSandboxSettings, type SandboxSettings } from './sandbox-settings.ts';
import { serveExecutor } from './serve-executor.ts';
import { fakeSandbox, type FakeSandbox, levelReport, until } from './testing/fake-sandbox.ts';

const root = mkdtempSync(join(tmpdir(), 'executor-'));
afterAll(() => rmSync(root, { recursive: true }));
let places = 0;
const secret = 'not for the log';
const job = (changes: Partial<SandboxJobInput> = {}): SandboxJobInput => ({
  argv: ['echo', secret],
  stdin: btoa(secret),
  env: { SECRET: secret },
  ...changes,
});
const settings: SandboxSettings = readSandboxSettings(undefined);

async function open(changes: { settings?: Partial<SandboxSettings>; sandbox?: FakeSandbox } = {}) {
  const { sandbox = fakeSandbox() } = changes;
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  const executor = new Executor({ sandbox, settings: { ...settings, ...changes.settings }, log });
  const socketPath = join(root, `${++places}`, 'x.sock');
  const server = await serveExecutor(socketPath, executor, log);
  const post = (body: string | Uint8Array | ReadableStream, path = '/v1/run') =>
    fetch(`http://executor${path}`, { unix: socketPath, method: 'POST', body });
  const close = () => server[Symbol.asyncDispose]();
  const client = executorClient({ socketPath });
  return { client, socketPath, sandbox, executor, lines, post, close, [Symbol.asyncDispose]: close };
}
const codeOf = (error: unknown) => (error instanceof ExecutorError ? error.code : String(error));

describe('a run', () => {
  test('comes back as the sandbox gave it, and the log has its events and nothing of its content', async () => {
    await using at = await open();
    const running = at.client.run(job({ files: [{ path: 'a/b', content: btoa(secret) }] }));
    await until(() => at.sandbox.runs.length === 1);
    at.sandbox.runs[0]?.end({ stdout: btoa(secret), exit: 'nonzero', code: 3 });
    const result = await running;
    expect(result).toMatchObject({ exit: 'nonzero', code: 3, level: 'SANDBOX_L1_NAMESPACE', stdout: btoa(secret) });
    expect(result.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const events = at.lines.map((line) => JSON.parse(line)).filter(({ run }) => run === result.id);
    expect(events.map(({ msg }) => msg)).toEqual(['run created', 'run started', 'run ended']);
    expect(at.lines.join()).not.toContain(secret);
    expect(at.lines.join()).not.toContain(btoa(secret));
  });

  test('at a level that is not there is refused, never run at a lower one', async () => {
    await using at = await open({
      sandbox: fakeSandbox([levelReport('SANDBOX_L0_WASM'), levelReport('SANDBOX_L1_NAMESPACE', false)]),
    });
    expect(await at.client.run(job())).toMatchObject({
      exit: 'refused',
      level: null,
      error: { code: 'LEVEL_UNAVAILABLE', message: 'SANDBOX_L1_NAMESPACE: install nothing' },
    });
    expect(await at.client.run(job({ minLevel: 'SANDBOX_L4_VM_HW' }))).toMatchObject({ exit: 'refused' });
    // The operator's least level holds for those who ask for less.
    expect(await at.client.run(job({ minLevel: 'SANDBOX_L0_WASM' }))).toMatchObject({ exit: 'refused' });
    expect(at.sandbox.runs).toHaveLength(0);
  });

  test('that had less isolation than asked for counts for nothing', async () => {
    await using at = await open();
    const running = at.client.run(job());
    await until(() => at.sandbox.runs.length === 1);
    at.sandbox.runs[0]?.end({ level: 'SANDBOX_L0_WASM', stdout: 'aGk=' });
    expect(await running).toMatchObject({ exit: 'sandbox_error', stdout: '', error: { code: 'LEVEL_BROKEN' } });
  });

  test('whose sandbox throws is an error of ours, told without its text, and its place is free again', async () => {
    await using at = await open({ settings: { pool: 1 } });
    const running = at.client.run(job());
    await until(() => at.sandbox.runs.length === 1);
    at.sandbox.runs[0]?.fail(new Error('/host/path'));
    const result = await running;
    expect(result).toMatchObject({ exit: 'sandbox_error', error: { code: 'SANDBOX_FAILED' } });
    expect(JSON.stringify(result)).not.toContain('/host/path');
    expect(await at.client.pool()).toEqual({ poolSize: 1, available: 1, inUse: 0, waiting: 0 });
  });

  test('of a client that goes away is killed, waiting or running', async () => {
    await using at = await open({ settings: { pool: 1 } });
    const [first, second] = [new AbortController(), new AbortController()];
    const running = at.client.run(job(), first.signal);
    await until(() => at.sandbox.runs.length === 1);
    const waiting = at.client.run(job(), second.signal);
    await until(() => at.executor.pool.view.waiting === 1);
    second.abort();
    expect(await waiting.catch((error: Error) => error.name)).toBe('AbortError');
    await until(() => at.executor.pool.view.waiting === 0);
    first.abort();
    expect(await running.catch((error: Error) => error.name)).toBe('AbortError');
    await until(() => at.sandbox.runs[0]?.signal.aborted === true && at.executor.pool.view.inUse === 0);
    expect(at.sandbox.runs).toHaveLength(1);
  });
});

describe('SB3 the compat view', () => {
  test('is the same run in another form, and the only other one', async () => {
    await using at = await open({ settings: { pool: 1 } });
    const asked = at.post(JSON.stringify(job()), '/v1/run?view=compat');
    await until(() => at.sandbox.runs.length === 1);
    at.sandbox.runs[0]?.end({ stdout: btoa('hi'), exit: 'nonzero', code: 3 });
    const view = compatResultSchema.parse(await (await asked).json());
    expect(view).toMatchObject({ status: 'failure', exit_code: 3, stdout: 'hi', id: at.sandbox.runs[0]?.id });
    const other = await at.post(JSON.stringify(job()), '/v1/run?view=dsse');
    expect([other.status, await other.json()]).toMatchObject([400, { error: { code: 'UNKNOWN_VIEW' } }]);
    expect(at.sandbox.runs).toHaveLength(1);
  });

  test('of what was not run is an error, with the status code of the plain one', async () => {
    await using at = await open();
    const bad = await at.post('{}', '/v1/run?view=compat');
    expect([bad.status, compatResultSchema.parse(await bad.json())]).toMatchObject([
      400,
      { status: 'error', exit_code: -1, metadata: { exit: 'refused', error_code: 'JOB_INVALID' } },
    ]);
    const high = await at.post(JSON.stringify(job({ minLevel: 'SANDBOX_L4_VM_HW' })), '/v1/run?view=compat');
    expect(await high.json()).toMatchObject({ status: 'error', metadata: { error_code: 'LEVEL_UNAVAILABLE' } });
  });
});

describe('the pool', () => {
  test('has so many places and so many that wait; one more is 429, and all of them are served', async () => {
    await using at = await open({ settings: { pool: 2 } });
    const most = 2 + sandboxCeilings.waiting;
    // Two groups, since one may not have all that waits.
    const runs = Array.from({ length: most }, (_, index) => at.client.run(job({ group: `tenant-${index % 2}` })));
    await until(() => at.executor.pool.view.waiting === sandboxCeilings.waiting);
    expect(await at.client.pool()).toEqual({ poolSize: 2, available: 0, inUse: 2, waiting: 256 });
    const over = await at.post(JSON.stringify(job()));
    expect([over.status, Number(over.headers.get('retry-after')) > 0]).toEqual([429, true]);
    expect(await over.json()).toMatchObject({ exit: 'refused', error: { code: 'POOL_EXHAUSTED' } });
    expect(await at.client.run(job())).toMatchObject({ exit: 'refused', error: { code: 'POOL_EXHAUSTED' } });
    for (let ended = 0; ended < most; ended++) {
      await until(() => at.sandbox.runs.length > ended);
      expect(at.executor.pool.view.inUse).toBeLessThanOrEqual(2);
      at.sandbox.runs[ended]?.end();
    }
    expect(new Set((await Promise.all(runs)).map(({ exit }) => exit))).toEqual(new Set(['ok']));
    expect(await at.client.pool()).toEqual({ poolSize: 2, available: 2, inUse: 0, waiting: 0 });
  });
});

describe('groups', () => {
  test('one that fills its share of the line leaves room for another, whose run is next', async () => {
    await using at = await open({ settings: { pool: 1 } });
    const { waitingPerGroup } = sandboxCeilings;
    const flood = Array.from({ length: 1 + waitingPerGroup }, () => at.client.run(job({ group: 'a' })));
    await until(() => at.executor.pool.view.waiting === waitingPerGroup);
    const over = await at.post(JSON.stringify(job({ group: 'a' })));
    expect([over.status, Number(over.headers.get('retry-after')) > 0]).toEqual([429, true]);
    expect(await over.json()).toMatchObject({ exit: 'refused', error: { code: 'GROUP_EXHAUSTED' } });
    const other = at.client.run(job({ group: 'b' }));
    const urgent = at.client.run(job({ group: 'c', priority: 'critical' }));
    await until(() => at.executor.pool.view.waiting === waitingPerGroup + 2);
    for (let ended = 0; ended < flood.length + 2; ended++) {
      await until(() => at.sandbox.runs.length > ended);
      at.sandbox.runs[ended]?.end();
    }
    expect(at.sandbox.runs.slice(0, 4).map(({ job: { group } }) => group)).toEqual(['a', 'c', 'b', 'a']);
    expect(new Set((await Promise.all([...flood, other, urgent])).map(({ exit }) => exit))).toEqual(new Set(['ok']));
    expect(at.lines.join()).not.toContain('"group"');
  });
});

test('one job after another finds a place open beside a group whose jobs are long', async () => {
  await using at = await open({ settings: { pool: 2 } });
  const flood = Array.from({ length: 5 }, () => at.client.run(job({ group: 'a' })));
  await until(() => at.executor.pool.view.waiting === 3);
  for (let turn = 0; turn < 4; turn++) {
    const mine = at.client.run(job({ group: 'b' }));
    // Of the others one ends, for the first; from then on none.
    await until(() => at.executor.pool.view.waiting + at.sandbox.runs.length === 6 + turn);
    if (turn === 0) at.sandbox.runs[0]?.end();
    await until(() => at.sandbox.runs.length === 3 + turn);
    expect(at.sandbox.runs[2 + turn]?.job.group).toBe('b');
    at.sandbox.runs[2 + turn]?.end();
    expect(await mine).toMatchObject({ exit: 'ok' });
  }
  for (let ended = 0; ended < 9; ended++) {
    await until(() => at.sandbox.runs.length > ended);
    at.sandbox.runs[ended]?.end();
  }
  expect(new Set((await Promise.all(flood)).map(({ exit }) => exit))).toEqual(new Set(['ok']));
});

describe('what comes in', () => {
  test('a job that is none is refused by field, and what stood there is not said back', async () => {
    await using at = await open();
    const { argv: _, ...none } = job();
    for (const [body, path] of [
      [secret, 'the job'],
      ['[]', 'the job'],
      [JSON.stringify({ ...job(), [secret]: 1 }), 'the job: has a key that is not known'],
      [JSON.stringify(none), 'argv'],
      [JSON.stringify(job({ env: { [`${secret}!`]: '' } })), 'env: '],
      [JSON.stringify(job({ files: [{ path: `../${secret}`, content: '' }] })), 'files.0.path'],
      [JSON.stringify(job({ limits: { wallMs: 10_000_000 } })), 'limits.wallMs'],
      [JSON.stringify(job({ group: `${secret} \n` })), 'group'],
    ] as const) {
      const response = await at.post(body);
      const text = await response.text();
      expect([response.status, sandboxResultSchema.parse(JSON.parse(text)).error?.code]).toEqual([400, 'JOB_INVALID']);
      expect(text).toContain(path);
      expect(text).not.toContain(secret);
    }
  });

  test('size and form have bounds: one body, its files, all bodies', async () => {
    await using at = await open({ settings: { pool: 1 } });
    const code = async (response: Promise<Response>) => [
      (await response).status,
      sandboxResultSchema.parse(await (await response).json()).error?.code,
    ];
    expect(await code(at.post(new Uint8Array(bodyLimits.oneBytesMax + 1)))).toEqual([413, 'JOB_TOO_LARGE']);
    const file = { path: 'a', content: Buffer.alloc(sandboxCeilings.filesBytes / 2 + 1).toString('base64') };
    const files = [file, { ...file, path: 'b' }];
    expect(await code(at.post(JSON.stringify(job({ files }))))).toEqual([413, 'JOB_TOO_LARGE']);
    const stream = new ReadableStream({ start: (one) => (one.enqueue(new TextEncoder().encode('{}')), one.close()) });
    expect(await code(at.post(stream))).toEqual([411, 'LENGTH_REQUIRED']);
    const large = JSON.stringify(job()).padEnd(bodyLimits.oneBytesMax);
    const runs = Array.from({ length: 4 }, () => at.post(large));
    await until(() => at.executor.pool.view.waiting === 3);
    expect(await code(at.post(JSON.stringify(job())))).toEqual([429, 'BODY_MEMORY_FULL']);
    for (let ended = 0; ended < 4; ended++) {
      await until(() => at.sandbox.runs.length > ended);
      at.sandbox.runs[ended]?.end();
    }
    expect((await Promise.all(runs)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  test('any bytes give a job or a fault, and the fault says nothing of them', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (bytes) => {
          const read = readJob(bytes);
          if ('fault' in read) expect(read.fault.result.exit).toBe('refused');
        },
      ),
    );
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), fc.jsonValue(), (name, value) => {
        const read = readJob(new TextEncoder().encode(JSON.stringify({ ...job(), [`~${name}`]: value })));
        expect('fault' in read && read.fault.result.error?.message).toBe('the job: has a key that is not known');
      }),
    );
  });

  test('another route is 404', async () => {
    await using at = await open();
    const response = await at.post('{}', '/v1/secrets');
    expect([response.status, await response.json()]).toMatchObject([404, { error: { code: 'UNKNOWN_ROUTE' } }]);
  });
});

describe('the socket', () => {
  test('is its owner’s alone, and goes with the daemon', async () => {
    const at = await open();
    expect(statSync(at.socketPath).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(at.socketPath)).mode & 0o777).toBe(0o700);
    await at.close();
    expect(existsSync(at.socketPath)).toBe(false);
    expect(at.sandbox.isClosed).toBe(true);
    expect(await at.client.levels().catch(codeOf)).toBe('EXECUTOR_AWAY');
  });
});

test('the end kills what runs, and tells those who wait that nothing was learned', async () => {
  const at = await open({ settings: { pool: 1 } });
  const runs = [at.client.run(job()), at.client.run(job())];
  await until(() => at.sandbox.runs.length === 1 && at.executor.pool.view.waiting === 1);
  await at.close();
  expect((await Promise.all(runs)).map(({ exit, error }) => [exit, error?.code])).toEqual([
    ['refused', 'EXECUTOR_STOPPING'],
    ['refused', 'EXECUTOR_STOPPING'],
  ]);
  expect(at.sandbox.runs[0]?.signal.aborted).toBe(true);
  expect(at.executor.pool.view).toEqual({ poolSize: 1, available: 1, inUse: 0, waiting: 0 });
});
