import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient } from '../arena/arena-client.ts';
import { AfterAnswers, type Waiting } from './after-answers.ts';

/** As many as run at once. */
const open = 64;

type Outcome = (whose: { tenant: string }, offer: Uint8Array, signal: AbortSignal) => Promise<unknown>;

function rig(run: Outcome, waitingMax = 10) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const counted: string[] = [];
  const after = new AfterAnswers({
    arena: { outcome: run } as unknown as ArenaClient,
    waitingMax,
    clock,
    log: createLogger({ level: 'info', format: 'json', write: (line) => void lines.push(line) }),
    count: (_mode, result) => void counted.push(result),
  });
  let released = 0;
  const answer = (tenant: string): Waiting => ({
    mode: 'audit',
    waitMs: 1_000,
    tenant,
    key: 'k',
    requestId: 'r',
    offer: () => new Uint8Array(1),
    release: () => void released++,
  });
  const add = (tenant: string, count: number) => {
    for (let at = 0; at < count; at++) after.add(answer(tenant));
  };
  return { after, clock, lines, counted, add, released: () => released };
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('an arena that is busy is asked once a second while answers wait, and told of once', async () => {
  const error = new ApiError('arena_busy', { retryAfterS: 2 });
  let asked = 0;
  const { after, clock, lines, counted, add, released } = rig(async () => {
    asked++;
    throw error;
  });
  add('acme', open + 5);
  await turns();
  expect([asked, counted.length, after.waiting]).toEqual([open, open, 5]);
  expect(lines.filter((line) => line.includes(error.code))).toHaveLength(1);
  // Half of what may wait is one tenant's; what finds no room is not even copied.
  expect([after.hasRoom('acme'), after.hasRoom('other')]).toEqual([false, true]);
  await clock.advance(999);
  await turns();
  expect(asked).toBe(open);
  for (let second = 1; second <= 5; second++) {
    await clock.advance(second === 1 ? 1 : 1_000);
    await turns();
    expect([asked, after.waiting]).toEqual([open + second, 5 - second]);
  }
  // Nothing waits any more: the next to come is asked for at once.
  await clock.advance(1_000);
  await turns();
  add('acme', 1);
  await turns();
  expect([asked, released(), counted.length]).toEqual([open + 6, open + 6, open + 6]);
  after[Symbol.dispose]();
});

test('where the arena fails, each place waits for a second, and goes on', async () => {
  let asked = 0;
  const { after, clock, lines, add } = rig(async () => {
    asked++;
    throw new ApiError('verification_unavailable');
  });
  add('acme', open + 5);
  await turns();
  expect([asked, after.waiting]).toEqual([open, 5]);
  await clock.advance(1_000);
  await turns();
  expect([asked, after.waiting]).toEqual([open + 5, 0]);
  expect(lines.filter((line) => line.includes('verification_unavailable'))).toHaveLength(1);
  after[Symbol.dispose]();
});

test('where the arena takes some of a tenant, places that get a result go on, and no other is opened for it', async () => {
  const takes = 10;
  const running: Array<() => void> = [];
  const asked = { acme: 0, other: 0 };
  const { after, clock, counted, add } = rig(({ tenant }) => {
    asked[tenant as 'acme']++;
    if (tenant === 'acme' && running.length >= takes) throw new ApiError('arena_busy', { retryAfterS: 1 });
    const { promise, resolve } = Promise.withResolvers<unknown>();
    running.push(() => resolve('valid'));
    return promise;
  });
  const counts = (result: string) => counted.filter((one) => one === result).length;
  add('acme', open + 5);
  await turns();
  expect([asked.acme, counts('arena_busy'), after.waiting]).toEqual([open, open - takes, 5]);
  for (let ended = 1; ended <= 3; ended++) {
    running.shift()?.();
    await turns();
    expect([asked.acme, counts('valid'), after.waiting]).toEqual([open + ended, ended, 5 - ended]);
  }
  expect(counts('arena_busy')).toBe(open - takes);
  // Whoever else comes finds the places open, and does not wait for the pause of this one.
  add('other', 3);
  await turns();
  expect([asked.other, after.waiting]).toEqual([3, 2]);
  // One of those that wait finds out whether there is more room.
  await clock.advance(1_000);
  await turns();
  expect([asked.acme, counts('arena_busy'), after.waiting]).toEqual([open + 4, open - takes + 1, 1]);
  after[Symbol.dispose]();
});

test('answers are copied again once an eighth of the places is free, not for each that is', async () => {
  const running: Array<() => void> = [];
  const end = async () => {
    running.shift()?.();
    await turns();
  };
  const { after, add, counted } = rig(() => new Promise((resolve) => running.push(() => resolve('valid'))), 32);
  add('acme', open + 15);
  expect(after.hasRoom('acme')).toBe(true);
  add('acme', 1);
  await turns();
  // Half of 32 wait; an eighth of those is two.
  expect([after.waiting, after.hasRoom('acme')]).toEqual([16, false]);
  await end();
  expect([after.waiting, after.hasRoom('acme')]).toEqual([15, false]);
  await end();
  expect([after.waiting, after.hasRoom('acme')]).toEqual([14, true]);
  add('acme', 1);
  expect([after.waiting, after.hasRoom('acme')]).toEqual([15, true]);
  // Whose copy was begun before is taken as long as there is a place.
  add('acme', 2);
  expect([after.waiting, after.hasRoom('acme'), counted]).toEqual([16, false, ['valid', 'valid', 'dropped']]);
  after[Symbol.dispose]();
});

test('the end wakes what pauses, and lets go of what waits', async () => {
  const { after, add, released } = rig(async () => {
    throw new ApiError('arena_busy', { retryAfterS: 3_600 });
  });
  add('acme', open + 3);
  await turns();
  after[Symbol.dispose]();
  await turns();
  expect(released()).toBe(open + 3);
});

test('the end tells the arena of what runs', async () => {
  const signals: AbortSignal[] = [];
  const { after, add, counted } = rig((_, __, signal) => {
    signals.push(signal);
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  add('acme', 2);
  await turns();
  after[Symbol.dispose]();
  await turns();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  expect(counted).toEqual(['server_shutting_down', 'server_shutting_down']);
});
