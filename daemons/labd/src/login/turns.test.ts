import { describe, expect, test } from 'bun:test';
import { codeOf } from './testing/callers.ts';
import { Turns } from './turns.ts';

/** Work that ends when told. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, open: resolve };
}

describe('turns', () => {
  test('so many at once, the rest in order, each place handed on', async () => {
    const turns = new Turns({ name: 'test', atOnce: 2, waitingMax: 10 });
    const gates = Array.from({ length: 5 }, gate);
    const begun: number[] = [];
    const all = gates.map(({ work }, n) =>
      turns.run(async () => {
        begun.push(n);
        await work();
      }),
    );
    await Bun.sleep(0);
    expect([begun, turns.running]).toEqual([[0, 1], 2]);
    gates[1]?.open();
    await Bun.sleep(0);
    expect([begun, turns.running]).toEqual([[0, 1, 2], 2]);
    for (const { open } of gates) open();
    await Promise.all(all);
    expect([begun, turns.running]).toEqual([[0, 1, 2, 3, 4], 0]);
  });

  test('past the line: RATE_LIMITED at once, with the way out', async () => {
    const turns = new Turns({ name: 'test', atOnce: 1, waitingMax: 1, retryAfterMs: 7, hint: 'wait' });
    const { work, open } = gate();
    const running = [turns.run(work), turns.run(work)];
    const refused = await turns.run(work).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 7, hint: 'wait' });
    open();
    await Promise.all(running);
  });

  test('work that fails gives its place back', async () => {
    const turns = new Turns({ name: 'test', atOnce: 1, waitingMax: 5 });
    const boom = () => Promise.reject(new RangeError('boom'));
    const failed = await Promise.allSettled([turns.run(boom), turns.run(boom), turns.run(() => Promise.resolve(1))]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(turns.running).toBe(0);
    expect(await codeOf(turns.run(() => Promise.resolve()))).toBe('none');
  });
});
