/** LG-1 … LG-3 over HTTP: logs as server-sent events, over a real labd and a real agent. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import { waitFor } from './harness/fleet/look.ts';
import { SseReader } from './harness/fleet/sse-reader.ts';
import { type RunningAgent, type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-fleet-logs-'));
let labd: RunningLabd;
let agent: RunningAgent;

beforeAll(async () => {
  labd = await startLabd({ logLevel: 'info' });
  agent = await startAgent(labd, 'web-1', { toml: `log_paths = ["${folder}/**"]`, logLevel: 'info' });
}, 90_000);
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await labd?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const pathOf = (query: Record<string, string>, server = 'web-1') =>
  `/api/logs/server/${server}?${new URLSearchParams(query).toString()}`;
const logs = (query: Record<string, string>, headers?: Record<string, string>) =>
  SseReader.open(labd, pathOf(query), headers);
const textOf = ({ data }: { data: unknown }) => (data as { text: string }).text;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const write = (file: string, lines: readonly string[]) => appendFileSync(file, lines.map((one) => `${one}\n`).join(''));
const sessions = async () =>
  (await labd.call<{ items: { kind: string; state: string }[] }>('GET', '/api/sessions?state=open')).items;
const rows = async (query: string) =>
  (await labd.call<{ items: AuditRow[] }>('GET', `/api/audit?limit=500&${query}`)).items;

describe('a server’s log', () => {
  test('the flags of `labctl logs` as a query, an end for good, and rows like those of the channel', async () => {
    const file = join(folder, 'flags.log');
    write(file, numbers(0, 300));
    const all = await (await logs({ file })).take();
    expect(all.at(-1)).toEqual({ event: 'end', data: { reason: 'ok', text: '' } });
    expect(all.slice(0, -1).map(textOf)).toEqual(numbers(200, 300));
    const found = await (await logs({ file, grep: 'line 29', tail: '3' })).take();
    expect(found.slice(0, -1).map(textOf)).toEqual(numbers(297, 300));
    const phases = async (action: string) =>
      (await rows(`action=${action}`)).map(({ phase, principal }) => `${phase} ${principal.kind}`).toSorted();
    const both = ['end local', 'end local', 'start local', 'start local'];
    await waitFor(async () => (await phases('logs.open')).length === 4);
    expect(await phases('logs.open')).toEqual(both);
    expect(await phases('stream-server-log')).toEqual(both);
    expect(await sessions()).toEqual([]);
  }, 90_000);

  test('Last-Event-ID goes on behind a line without loss or repetition, whatever `tail` says', async () => {
    const file = join(folder, 'resume.log');
    write(file, numbers(0, 5000));
    const first = await logs({ file, follow: 'true', tail: '5000' });
    const begun = await first.take(1234);
    first.leave();
    write(file, numbers(5000, 5100));
    const second = await logs({ file, follow: 'true', tail: '5000' }, { 'Last-Event-ID': begun.at(-1)?.id ?? '' });
    const more = await second.take(5100 - 1234);
    expect([...begun, ...more].map(textOf)).toEqual(numbers(0, 5100));
    write(file, ['the last']);
    expect((await second.take(1)).map(textOf)).toEqual(['the last']);
    second.leave();
    // The agent's end goes with the reader.
    await waitFor(async () => (await sessions()).length === 0);
  }, 90_000);

  test('LG-3 a reader that stands slows the agent; what comes meanwhile is dropped there, counted, and only old', async () => {
    const file = join(folder, 'slow.log');
    writeFileSync(file, '');
    const reader = await logs({ file, follow: 'true' });
    // Before it has begun it would find what is written here, and give the last hundred lines of it.
    write(file, ['begun']);
    expect((await reader.take(1)).map(textOf)).toEqual(['begun']);
    const pad = 'x'.repeat(1000);
    for (let round = 0; round < 40; round++) {
      write(
        file,
        Array.from({ length: 500 }, (_, i) => `${round * 500 + i} ${pad}`),
      );
      await Bun.sleep(40);
    }
    write(file, ['done']);
    await Bun.sleep(1_000);
    const seen: string[] = [];
    while (seen.at(-1) !== 'done') {
      const sent = await reader.next();
      if (sent === undefined) break;
      seen.push(sent.event === undefined ? textOf(sent) : JSON.stringify(sent));
    }
    reader.leave();
    const dropped = seen.flatMap((text) => /^\[labmesh: (\d+) lines dropped\]$/.exec(text)?.[1] ?? []).map(Number);
    const plain = seen.filter((text) => !text.startsWith('[labmesh')).slice(0, -1);
    expect(dropped.length).toBeGreaterThan(0);
    expect(plain.length + dropped.reduce((sum, one) => sum + one, 0)).toBe(20_000);
    const order = plain.map((text) => Number(text.split(' ')[0]));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  }, 90_000);

  test('refusals have their codes', async () => {
    const answer = async (path: string, headers = {}) => {
      const reader = await SseReader.open(labd, path, headers);
      return `${reader.status} ${(JSON.parse(await reader.rest()) as { error: { code: string } }).error.code}`;
    };
    const file = join(folder, 'none.log');
    expect(await answer(pathOf({ file }))).toBe('404 NOT_FOUND');
    expect(await answer(pathOf({ file: '/etc/passwd' }))).toBe('403 PERMISSION_DENIED');
    expect(await answer(pathOf({ file, unit: 'x' }))).toBe('400 VALIDATION_FAILED');
    expect(await answer(pathOf({ file, wrong: 'x' }))).toBe('400 VALIDATION_FAILED');
    expect(await answer(pathOf({ file }, 'nobody'))).toBe('404 NOT_FOUND');
    expect(await answer(pathOf({ file }), { 'Last-Event-ID': 'x'.repeat(9_000) })).toBe('400 VALIDATION_FAILED');
    expect(await answer(pathOf({ file }), { 'Last-Event-ID': 'x'.repeat(1_025) })).toBe('400 VALIDATION_FAILED');
    expect(await answer('/api/logs/app/one')).toBe('404 NOT_FOUND');
  }, 90_000);

  test('RB-11 a stream ends, for good, with the right to it', async () => {
    const file = join(folder, 'rights.log');
    write(file, ['one']);
    const password = 'correct horse battery';
    await labd.call('POST', '/api/roles', { name: 'reader', rules: ['allow logs on servers/web-*'] });
    await labd.call('POST', '/api/users', { name: 'rita', roles: ['reader'] });
    await labd.call('POST', '/api/users/rita/password', { password });
    const { session } = await labd.call<{ session: string }>('POST', '/api/auth/login', { user: 'rita', password });
    const headers = { authorization: `Bearer ${session}` };
    const reader = await logs({ file, follow: 'true' }, headers);
    expect((await reader.take(1)).map(textOf)).toEqual(['one']);
    await labd.call('PUT', '/api/roles/reader', { rules: ['allow logs on servers/db-*'], revision: 1 });
    expect(await reader.take()).toEqual([{ event: 'end', data: expect.objectContaining({ reason: 'revoked' }) }]);
    expect((await logs({ file }, headers)).status).toBe(404);
    expect((await SseReader.open(labd, '/api/logs/audit/all', headers)).status).toBe(403);
  }, 90_000);
});

describe('the audit log', () => {
  const audit = (query: string, headers?: Record<string, string>, chain = 'all') =>
    SseReader.open(labd, `/api/logs/audit/${chain}?${query}`, headers);
  const key = ({ data }: { data: unknown }) => (data as AuditRow).seq;

  test('the last rows, oldest first; each that comes, once, over Last-Event-ID', async () => {
    const first = await audit('tail=5&follow=true');
    const begun = await first.take(5);
    first.leave();
    for (let n = 0; n < 3; n++) await rows('limit=1').catch(() => []);
    const second = await audit('tail=5&follow=true', { 'Last-Event-ID': begun[2]?.id ?? '' });
    const more = await second.take(6);
    second.leave();
    const seqs = [...begun.slice(0, 3), ...more].map(key);
    expect(seqs).toEqual(Array.from(seqs, (_, i) => (seqs[0] ?? 0) + i));
    expect((await audit('', { 'Last-Event-ID': 'nonsense' })).status).toBe(400);
  }, 90_000);

  test('to the end, filtered by text and chain', async () => {
    const ended = await (await audit('tail=2000&grep=stream-server-log')).take();
    expect(ended.at(-1)).toEqual({ event: 'end', data: { reason: 'ok', text: '' } });
    expect(ended.length).toBeGreaterThan(3);
    expect(ended.slice(0, -1).every(({ data }) => JSON.stringify(data).includes('stream-server-log'))).toBe(true);
    expect(await (await audit('', {}, 'no-such-chain')).take()).toHaveLength(1);
  }, 90_000);
});
