import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { createLogger, silentLogger } from '@labmesh/kit/log';
import { TempFolder } from '@labmesh/store/testing/temp-store';
import { onBothEngines } from '../../../../../tests/harness/both-engines.ts';
import type { AuditKeys, SharedKeys } from '../audit-keys.ts';
import type { AuditLog } from '../audit-log.ts';
import { auditBench, type AuditBench, chain, entry, tester } from '../testing/audit-bench.ts';
import type { AuditReader } from './audit-reader.ts';
import { AuditThread } from './audit-thread.ts';
import { LocalReader } from './local-reader.ts';

const rowsMax = 1_200;
const never = new AbortController().signal;
const decoder = new TextDecoder();

/** How it ended: `ok`, or the error's code. */
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    ({ code }: { code: string }) => code,
  );

const ends = (count: number, work: () => Promise<unknown>) =>
  Promise.all(Array.from({ length: count }, () => codeOf(work())));
const oks = (count: number) => Array.from({ length: count }, () => 'ok');

async function exported(reader: AuditReader): Promise<{ text: string; parts: number }> {
  let text = '';
  let parts = 0;
  for (let cursor: string | undefined; ;) {
    const part = await reader.exportPart(tester, { cursor }, never);
    text += decoder.decode(part.bytes);
    parts++;
    if (part.nextCursor === null) return { text, parts };
    cursor = part.nextCursor;
  }
}

/** A log of 1,200 rows, and its readers; filled in before the tests. */
class Ground {
  readonly folder = new TempFolder();
  url = '';
  bench!: AuditBench;
  log!: AuditLog;
  local!: LocalReader;
  thread!: AuditThread;

  async open(url: string): Promise<void> {
    this.url = url;
    this.bench = await auditBench(url);
    this.log = await this.bench.open();
    const rows = Array.from({ length: rowsMax }, (_, seq) => entry(`row-${seq}`, { details: { seq } }));
    await Promise.all(rows.map((row) => this.log.append(row)));
    this.local = new LocalReader({ store: this.bench.store, keys: this.log.keys });
    this.thread = this.threadOf();
  }

  threadOf(more: { idleMs?: number; databaseUrl?: string } = {}): AuditThread {
    return new AuditThread({ databaseUrl: this.url, keys: this.log.keys, log: silentLogger, ...more });
  }

  async close(): Promise<void> {
    await this.thread?.[Symbol.asyncDispose]();
    await this.log?.[Symbol.asyncDispose]();
    await this.bench?.[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

function answers(ground: Ground): void {
  test('it answers what would be answered here', async () => {
    const { bench, log, local, thread, url } = ground;
    expect(bench.store.inner.besideUrl).toBe(url);
    const heads = new Map([[chain, log.head()]]);
    const report = await thread.verify({ heads }, never);
    expect(report).toEqual(await local.verify({ heads }, never));
    expect(report).toMatchObject({ ok: true, chains: [{ chain, rows: rowsMax }] });
    expect(await thread.verifyChain(chain, 700, never)).toEqual(await local.verifyChain(chain, 700, never));
    const here = await exported(local);
    expect(await exported(thread)).toEqual(here);
    expect([here.parts, here.text.split('\n').length - 1]).toEqual([3, rowsMax]);
  });

  test('what is wrong is named alike, and rows committed meanwhile are seen', async () => {
    const { log, local, thread } = ground;
    await log.append(entry('later'));
    expect(await thread.verify({}, never)).toMatchObject({ chains: [{ rows: log.head().seq }] });
    const beyond = new Map([[chain, { seq: log.head().seq + 9, hash: 'f'.repeat(64) }]]);
    const cut = await thread.verify({ heads: beyond }, never);
    expect(cut).toEqual(await local.verify({ heads: beyond }, never));
    expect(cut).toMatchObject({ ok: false, chains: [{ fault: { kind: 'truncated' } }] });
  });

  test('errors pass through as they are', async () => {
    const { thread } = ground;
    const wrong = { code: 'VALIDATION_FAILED', status: 400, message: expect.stringContaining('checkpoint') };
    expect(await errorOf(thread.verify({ checkpoint: 'nothing' }, never))).toMatchObject({
      ...wrong,
      field: 'checkpoint',
    });
    const foreign = thread.exportPart(tester, { cursor: 'bm8' }, never);
    expect(await errorOf(foreign)).toMatchObject({ code: 'VALIDATION_FAILED', field: 'cursor' });
    const nobody = thread.exportPart({} as never, {}, never);
    expect(await errorOf(nobody)).toMatchObject({ code: 'INTERNAL', log: expect.stringContaining('principal') });
  });

  test('a key that another replica made meanwhile is fetched', async () => {
    const { bench, log, thread } = ground;
    await (await bench.keys()).rotate(0);
    await using other = await bench.open({ chain: 'other' });
    await other.append(entry('under the new key'));
    expect(log.keys.chainKeyIds()).toEqual(['k1']);
    expect(await thread.verify({ chain: 'other' }, never)).toMatchObject({ ok: true, chains: [{ rows: 1 }] });
    expect(log.keys.chainKeyIds()).toEqual(['k1', 'k2']);
  });

  test('the answer that another replica’s key cannot be read is passed on', async () => {
    const { bench, thread } = ground;
    await (await bench.keys()).rotate(0);
    await using other = await bench.open({ chain: 'unread' });
    await other.append(entry('under a third key'));
    bench.store.fault = 'away';
    try {
      expect(await errorOf(thread.verify({ chain: 'unread' }, never))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    } finally {
      bench.store.fault = 'none';
    }
    expect(await thread.verify({ chain: 'unread' }, never)).toMatchObject({ ok: true });
  });
}

function bounds(ground: Ground): void {
  test('who leaves ends the work, and his place is free again', async () => {
    const { thread } = ground;
    expect(await errorOf(thread.verify({}, AbortSignal.abort()))).toMatchObject({ code: 'AGENT_TIMEOUT' });
    for (let round = 0; round < 2; round++) {
      const leaving = new AbortController();
      const verifying = ends(8, () => thread.verify({}, leaving.signal));
      leaving.abort();
      expect(await verifying).toEqual(Array.from({ length: 8 }, () => 'AGENT_TIMEOUT'));
      // A place is given back when the thread has let go, a page later.
      while ((await ends(8, () => thread.verify({ chain }, never))).includes('RATE_LIMITED')) await Bun.sleep(1);
    }
  });

  test('a bound on what reads at once', async () => {
    const { thread } = ground;
    expect(await ends(9, () => thread.verify({ chain }, never))).toEqual([...oks(8), 'RATE_LIMITED']);
    expect(await ends(65, () => thread.exportPart(tester, { limit: 1 }, never))).toEqual([...oks(64), 'RATE_LIMITED']);
  });

  test('it goes when nobody asked for a while, and comes back', async () => {
    await using resting = ground.threadOf({ idleMs: 1 });
    expect(resting.isRunning()).toBe(false);
    await resting.verify({ chain }, never);
    while (resting.isRunning()) await Bun.sleep(1);
    expect(await resting.verify({ chain }, never)).toMatchObject({ ok: true });
  });
}

function endings(ground: Ground): void {
  test('a thread that dies tells its jobs, and the next one has another', async () => {
    const { log, url } = ground;
    let shared = { chainKeys: 1 } as unknown as SharedKeys;
    const keys = { shared: () => shared, reload: () => Promise.resolve() } as AuditKeys;
    const lines: string[] = [];
    const told = createLogger({ level: 'error', format: 'json', write: (line) => lines.push(line) });
    await using mortal = new AuditThread({ databaseUrl: url, keys, log: told });
    expect(await errorOf(mortal.verify({ chain }, never))).toMatchObject({ code: 'INTERNAL' });
    shared = log.keys.shared();
    expect(await mortal.verify({ chain }, never)).toMatchObject({ ok: true });
    expect(lines.join('')).toContain('the thread that reads the audit log ended');
  });

  test('closing ends what runs; nothing begins after it', async () => {
    const closing = ground.threadOf();
    const running = codeOf(closing.verify({ chain }, never));
    await closing[Symbol.asyncDispose]();
    expect([await running, await codeOf(closing.verify({}, never))]).toEqual(['SHUTTING_DOWN', 'SHUTTING_DOWN']);
    expect(closing.isRunning()).toBe(false);
  });

  test('a database that is away is told, and looked for again', async () => {
    const { folder, url } = ground;
    const place = url.startsWith('sqlite')
      ? `sqlite://${join(folder.path, 'none.db')}`
      : 'postgresql://lab@127.0.0.1:1/lab';
    await using lost = ground.threadOf({ databaseUrl: place });
    for (let again = 0; again < 2; again++)
      expect(await errorOf(lost.verify({}, never))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
}

onBothEngines((name, openUrl) => {
  describe(`ST-5: the audit log is read in a thread of its own (${name})`, () => {
    const ground = new Ground();
    beforeAll(async () => ground.open(name === 'SQLite' ? await ground.folder.nextUrl() : await openUrl()), 60_000);
    afterAll(() => ground.close());
    answers(ground);
    bounds(ground);
    endings(ground);
  });
});
