import { afterEach, beforeEach, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import type { AuditLog } from '../audit-log.ts';
import { makeCheckpoint } from '../checkpoints.ts';
import { auditBench, type AuditBench, chain, entry, pass, turns } from '../testing/audit-bench.ts';
import type { AuditSink, SinkBatch } from './audit-sink.ts';
import { SinkRunner, type SinkParts } from './sink-runner.ts';

let bench: AuditBench;
let log: AuditLog;
let runner: SinkRunner | undefined;

/** A sink that remembers, and answers as told. */
class FakeSink implements AuditSink {
  name = 'fake';
  answer: 'takes' | 'fails' | 'silent' | 'deaf' = 'takes';
  taken: number[] = [];
  checkpoints = 0;
  batches: number[] = [];
  calls = 0;
  aborted = 0;

  deliver({ rows, checkpoints }: SinkBatch, signal: AbortSignal): Promise<void> {
    this.calls++;
    if (this.answer === 'fails') return Promise.reject(new Error('no'));
    if (this.answer === 'deaf') return new Promise(() => {});
    if (this.answer === 'silent')
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(this.#counted(signal)), { once: true }),
      );
    this.taken.push(...rows.map(({ seq }) => seq));
    this.batches.push(rows.length);
    this.checkpoints += checkpoints.length;
    return Promise.resolve();
  }
  #counted(signal: AbortSignal): Error {
    this.aborted++;
    return signal.reason as Error;
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

let sink: FakeSink;
beforeEach(async () => {
  bench = await auditBench();
  log = await bench.open();
  sink = new FakeSink();
});
afterEach(async () => {
  bench.store.release();
  await runner?.[Symbol.asyncDispose]();
  runner = undefined;
  await log[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

const start = (more: Partial<SinkParts> = {}) =>
  (runner = SinkRunner.start({
    store: bench.store,
    sink,
    chains: () => [chain],
    clock: bench.clock,
    log: silentLogger,
    ...more,
  }));
const append = async (count: number) => {
  await Promise.all(Array.from({ length: count }, () => log.append(entry())));
};
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

test('AU-6: all rows, once and in order, then checkpoints; new ones within a second', async () => {
  await append(450);
  await makeCheckpoint({ store: bench.store, audit: log, clock: bench.clock, log: silentLogger });
  const one = start();
  await turns(60);
  expect(sink.taken).toEqual(upTo(450));
  expect(sink.batches).toEqual([200, 200, 50, 0]);
  expect(sink.checkpoints).toBe(1);
  await append(3);
  await turns();
  expect(sink.taken).toHaveLength(450);
  await pass(bench.clock, 1_000);
  expect(sink.taken).toEqual(upTo(453));
  await append(1);
  await pass(bench.clock, 1_000);
  expect(sink.taken).toEqual(upTo(454));
  expect(one.lagMs()).toBe(0);
});

test('AU-6: it resumes where it stopped', async () => {
  await append(5);
  start();
  await turns();
  await runner?.[Symbol.asyncDispose]();
  await append(5);
  start();
  await turns();
  expect(sink.taken).toEqual(upTo(10));
});

test('AU-6: a sink that never answers delays nothing, alarms at 5 min and catches up', async () => {
  const alarms: [string, boolean][] = [];
  const at = { silent: 0 };
  for (const answer of ['silent', 'deaf'] as const) {
    sink.answer = answer;
    alarms.length = 0;
    await append(3);
    start({ onAlarm: (name, behind) => alarms.push([name, behind]) });
    await turns();
    // The log goes on as if the sink were not there.
    const before = bench.store.writes;
    await append(50);
    expect(bench.store.writes - before).toBe(1);
    await pass(bench.clock, 290_000, 1_000);
    expect(alarms).toEqual([]);
    expect(runner!.lagMs()).toBe(290_000);
    await pass(bench.clock, 15_000, 1_000);
    expect(alarms).toEqual([['fake', true]]);
    // Tried again and again, but ever more rarely.
    expect(sink.calls).toBeGreaterThan(5);
    expect(sink.calls - at.silent).toBeLessThan(40);
    at.silent = sink.calls;
    sink.answer = 'takes';
    await pass(bench.clock, 100_000, 1_000);
    expect(alarms).toEqual([
      ['fake', true],
      ['fake', false],
    ]);
    expect(sink.taken).toEqual(upTo(log.head().seq));
    expect(runner!.lagMs()).toBe(0);
    await runner?.[Symbol.asyncDispose]();
  }
  expect(sink.aborted).toBeGreaterThan(0);
});

test('a refused batch comes again; the cursor moves only behind what was taken', async () => {
  sink.answer = 'fails';
  await append(10);
  start();
  await pass(bench.clock, 20_000, 1_000);
  expect([sink.taken, sink.calls > 2]).toEqual([[], true]);
  sink.answer = 'takes';
  await pass(bench.clock, 60_000, 1_000);
  expect(sink.taken).toEqual(upTo(10));
});

test('the store may go away meanwhile', async () => {
  start();
  await append(2);
  bench.store.fault = 'away';
  await pass(bench.clock, 10_000, 1_000);
  bench.store.fault = 'none';
  await pass(bench.clock, 60_000, 1_000);
  expect(sink.taken).toEqual([1, 2]);
});

test('several chains, each with its cursor', async () => {
  await using other = await bench.open({ chain: 'other' });
  await append(2);
  await other.append(entry());
  start({ chains: async () => [chain, 'other'] });
  await turns();
  expect(sink.taken).toEqual([1, 2, 1]);
});

test('it ends at once while a sink is silent', async () => {
  sink.answer = 'deaf';
  await append(1);
  start();
  await turns();
  await runner?.[Symbol.asyncDispose]();
  runner = undefined;
  expect(sink.calls).toBe(1);
});
