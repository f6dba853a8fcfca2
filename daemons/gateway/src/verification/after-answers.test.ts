import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient } from '../arena/arena-client.ts';
import { AfterAnswers, type Waiting } from './after-answers.ts';

/** As many as run at once. */
const open = 64;

function rig(run: () => Promise<never>) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const counted: string[] = [];
  const after = new AfterAnswers({
    arena: { run } as unknown as ArenaClient,
    waitingMax: 10,
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
  return { after, clock, lines, counted, answer, released: () => released };
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('an arena that is busy is left alone for a second, and told of once', async () => {
  let asked = 0;
  const busy = async () => {
    asked++;
    throw new ApiError('arena_busy', { retryAfterS: 2 });
  };
  const { after, clock, lines, counted, answer, released } = rig(busy);
  for (let at = 0; at < open; at++) after.add(answer('acme'));
  for (let at = 0; at < 5; at++) after.add(answer('acme'));
  await turns();
  expect([asked, counted.length, after.waiting]).toEqual([open, open, 5]);
  expect(lines.filter((line) => line.includes('arena_busy'))).toHaveLength(1);
  // Half of what may wait is one tenant's; what finds no room is not even copied.
  expect([after.hasRoom('acme'), after.hasRoom('other')]).toEqual([false, true]);
  await clock.advance(999);
  await turns();
  expect(asked).toBe(open);
  await clock.advance(1);
  await turns();
  expect([asked, after.waiting]).toEqual([open + 5, 0]);
  await clock.advance(1_000);
  await turns();
  expect([released(), after.hasRoom('acme')]).toEqual([open + 5, true]);
  after[Symbol.dispose]();
});

test('the end wakes what pauses, and lets go of what waits', async () => {
  const { after, answer, released } = rig(async () => {
    throw new ApiError('arena_busy', { retryAfterS: 3_600 });
  });
  for (let at = 0; at < open + 3; at++) after.add(answer('acme'));
  await turns();
  after[Symbol.dispose]();
  await turns();
  expect(released()).toBe(open + 3);
});
