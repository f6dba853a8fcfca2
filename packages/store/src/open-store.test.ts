import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { awaitStore, openStore } from './open-store.ts';

describe('URLs', () => {
  test.each([
    'mysql://root:geheim@localhost/lab',
    'sqlite:relative.db',
    'sqlite://relative.db',
    'postgresql:geheim',
    '/var/lib/labd.db',
    '',
  ])('%p is refused without showing it, exit 3', async (url) => {
    const error = await openStore({ url }).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ name: 'StoreStartError', code: 'STORE_URL_INVALID', exitCode: 3 });
    expect((error as Error).message).not.toContain('geheim');
  });

  test('a store in memory needs nothing', async () => {
    await using store = await openStore({ url: 'sqlite::memory:' });
    expect(store.engine).toBe('sqlite');
    expect(await store.ping()).toBeGreaterThanOrEqual(0);
  });
});

describe('LD-7: a database that is away at start', () => {
  // Nothing listens on port 1.
  const url = 'postgresql://lab:geheim@127.0.0.1:1/lab';

  test('openStore tells STORE_UNAVAILABLE', async () => {
    await expect(openStore({ url })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', status: 503 });
    const folder = openStore({ url: 'sqlite:///proc/labmesh/nowhere.db' });
    await expect(folder).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('awaitStore tries again each 1 to 30 s, until it is told to stop', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) });
    const clock = new FakeClock();
    const ending = new AbortController();
    const waiting = awaitStore({ url, log, clock }, ending.signal).catch((error: unknown) => error);
    while (lines.length < 8) {
      await Bun.sleep(2);
      await clock.advance(1_000);
    }
    ending.abort(new RangeError('stop'));
    await clock.advance(60_000);
    expect(await waiting).toBeInstanceOf(RangeError);
    const waits = lines.map((line) => (JSON.parse(line) as { waitMs: number }).waitMs);
    expect(Math.min(...waits)).toBeGreaterThan(700);
    expect(Math.max(...waits)).toBeLessThanOrEqual(37_500);
    expect(waits[6]).toBeGreaterThan(20_000);
    expect(lines.join('')).not.toContain('geheim');
  });

  test('what waiting does not mend ends it', async () => {
    const waiting = awaitStore({ url: 'mysql://x' }, new AbortController().signal);
    await expect(waiting).rejects.toMatchObject({ code: 'STORE_URL_INVALID' });
  });
});
