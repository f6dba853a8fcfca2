import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartedProcess } from '../started-process.ts';
import { closedLoop } from './closed-loop.ts';
import { parseLoadPlan } from './load-plan.ts';
import { pacedLoop } from './paced-loop.ts';
import { sseLoop } from './sse-loop.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-load-'));
let upstream: StartedProcess;
let url: string;

beforeAll(async () => {
  const command = [process.execPath, join(import.meta.dir, '../upstream.ts'), '--pace-ms', '1', '--events', '20'];
  upstream = new StartedProcess({ name: 'upstream', command, core: 0, folder });
  url = `http://127.0.0.1:${String((await upstream.readyLine()).port)}/v1`;
});

afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function plan(...flags: string[]) {
  return parseLoadPlan(['--url', url, '--seconds', '0.2', '--warmup-ms', '20', '--connections', '4', ...flags]);
}

test('the closed loop counts answers and stops at its number', async () => {
  const result = await closedLoop(plan('--requests', '50'));
  expect(result).toMatchObject({ errors: 0, failures: [] });
  expect(result.requests).toBeGreaterThanOrEqual(50);
  expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
});

test('the paced loop keeps its rate and measures from when a request was due', async () => {
  const result = await pacedLoop(plan('--mode', 'paced', '--rate', '500'));
  expect(result.errors).toBe(0);
  // 100 are due while it measures; answers to the ten before it may come late.
  expect(result.requests).toBeGreaterThanOrEqual(99);
  expect(result.requests).toBeLessThanOrEqual(111);
});

test('every stream is checked to its end', async () => {
  const good = await sseLoop(plan('--mode', 'sse', '--events', '20'));
  expect(good.errors).toBe(0);
  expect(good.events).toBeGreaterThan(20);
  const short = await sseLoop(plan('--mode', 'sse', '--events', '21'));
  expect(short.failures).toEqual(['stream of 20 events']);
});

test('a target that is not there or says no is an error, not a fast answer', async () => {
  const refused = await closedLoop({ ...plan(), request: Buffer.from('GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n') });
  expect(refused.failures).toEqual(['status 404']);
  expect(refused.rps).toBe(0);
});

test('wrong flags are named', () => {
  expect(() => parseLoadPlan(['--mode', 'closed'])).toThrow('--url');
  expect(() => parseLoadPlan(['--url', url, '--mode', 'open'])).toThrow('--mode');
  expect(() => parseLoadPlan(['--url', url, '--rate', '-1'])).toThrow();
});
