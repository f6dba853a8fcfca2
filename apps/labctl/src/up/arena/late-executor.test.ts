import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { againMs, LateExecutor } from './late-executor.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-late-'));
afterAll(() => rmSync(root, { recursive: true }));
let stands = 0;

/** A program in place of lab-executor. It notes each start; while `FILE.broken` is there it cannot start. */
function stand() {
  const path = join(root, `stand-${++stands}.ts`);
  const socketPath = join(root, `x-${stands}.sock`);
  const [started, broken] = [`${path}.started`, `${path}.broken`];
  writeFileSync(
    path,
    `const { appendFileSync, existsSync } = require('node:fs');
    appendFileSync('${started}', process.pid + '\\n');
    if (existsSync('${broken}')) { console.error('lab-executor: /secret/place is broken'); process.exit(3); }
    Bun.serve({ unix: '${socketPath}', fetch: () => Response.json({ levels: [] }) });
    console.log(JSON.stringify({ ready: true, pid: process.pid, levels: [] }));`,
  );
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  const settings = readSandboxSettings(undefined);
  const late = new LateExecutor({ socketPath, settings, log, clock, command: [process.execPath, path] });
  const pids = () => (existsSync(started) ? readFileSync(started, 'utf8').trim().split('\n').map(Number) : []);
  return { late, clock, lines, broken, pids, [Symbol.asyncDispose]: () => late[Symbol.asyncDispose]() };
}

describe('an executor that starts when it is needed', () => {
  test('not before, once for all who ask together, and it ends with us', async () => {
    const all = stand();
    expect(all.pids()).toEqual([]);
    expect(await Promise.all([all.late.levels(), all.late.levels(), all.late.levels()])).toEqual([[], [], []]);
    expect(await all.late.levels()).toEqual([]);
    const [pid, ...more] = all.pids();
    expect([existsSync(`/proc/${pid}`), more]).toEqual([true, []]);
    await all[Symbol.asyncDispose]();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(await thrower(all.late.levels())).toThrow();
    expect(all.pids()).toHaveLength(1);
  });

  test('that cannot: who asks hears so without the reason, and it is tried again after a while', async () => {
    await using all = stand();
    writeFileSync(all.broken, '');
    expect(await thrower(all.late.levels())).toThrow('EXECUTOR_AWAY: it does not start; the log tells why');
    expect(await thrower(all.late.run({ argv: ['true'] }))).toThrow('EXECUTOR_AWAY');
    expect(all.lines.join('\n')).toContain('/secret/place is broken');
    rmSync(all.broken);
    await all.clock.advance(againMs - 1);
    expect(await thrower(all.late.levels())).toThrow('EXECUTOR_AWAY');
    expect(all.pids()).toHaveLength(1);
    await all.clock.advance(1);
    expect(await all.late.levels()).toEqual([]);
    expect(all.pids()).toHaveLength(2);
  });

  test('a job that is given up while it starts does not end the start', async () => {
    await using all = stand();
    const giving = new AbortController();
    const job = all.late.run({ argv: ['true'] }, giving.signal);
    giving.abort(new Error('enough'));
    expect(await thrower(job)).toThrow('enough');
    expect(await all.late.levels()).toEqual([]);
    expect(all.pids()).toHaveLength(1);
  });

  test('that nobody ever needed leaves nothing to end', async () => {
    const all = stand();
    await all[Symbol.asyncDispose]();
    expect([all.pids(), all.lines]).toEqual([[], []]);
  });
});
