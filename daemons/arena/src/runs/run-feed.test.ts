import { describe, expect, test } from 'bun:test';
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import fc from 'fast-check';
import { Budget, costNano } from './budget.ts';
import { FinishedEvents, keptMost, keptMs } from './finished-events.ts';
import { feedEventsMost, readersMost, RunFeed } from './run-feed.ts';
import { RunQueue } from './run-queue.ts';

const match = (a: number): ArenaEvent => ({ event: 'match', a, b: a + 1, scoreA: 1, scoreB: 0, winner: 'a' });
const last: ArenaEvent = {
  event: 'error',
  code: 'arena_busy',
  message: '',
  field: null,
  retryAfterS: null,
  runId: null,
};

async function read(feed: RunFeed, signal = new AbortController().signal): Promise<ArenaEvent[]> {
  const events: ArenaEvent[] = [];
  for await (const event of feed.read(signal)) events.push(event);
  return events;
}

describe('feed', () => {
  test('every reader sees all events in order, whenever it comes, and nothing after the last', async () => {
    const feed = new RunFeed();
    const early = read(feed);
    for (let at = 0; at < 5; at++) feed.push(match(at));
    const middle = read(feed);
    feed.push(last);
    feed.push(match(9));
    const all = [...Array.from({ length: 5 }, (_, at) => match(at)), last];
    for (const seen of [early, middle, read(feed)]) expect(await seen).toEqual(all);
  });

  test('readers and events are bounded; a reader that leaves is counted out', async () => {
    const counts: number[] = [];
    const feed = new RunFeed((count) => void counts.push(count));
    const leaving = new AbortController();
    const reading = Array.from({ length: readersMost }, () => read(feed, leaving.signal));
    await Bun.sleep(1);
    expect(await read(feed).catch((error: Error) => error.message)).toContain('arena.run.readers');
    leaving.abort();
    await Promise.all(reading);
    expect([Math.max(...counts), counts.at(-1)]).toEqual([readersMost, 0]);
    for (let at = 0; at < feedEventsMost; at++) feed.push(match(at));
    expect(() => feed.push(match(0))).toThrow('arena.run.events');
    feed.push(last);
    expect(feed.last).toEqual(last);
  });
});

describe('queue', () => {
  const entry = (id: string, group: string, priority = 2, since = 0) => ({ id, group, priority, since });

  test('RP8: tenants in turn, inside one the highest first; one class more for each 30 s waited; bounded by name', () => {
    const queue = new RunQueue(6, 100);
    for (const id of ['a1', 'a2', 'a3']) queue.push(entry(id, 'a'));
    for (const one of [entry('high', 'a', 3), entry('b1', 'b'), entry('low', 'b', 1)]) queue.push(one);
    expect(() => queue.push(entry('c', 'c', 4))).toThrow('arena.queue_max');
    const order = Array.from({ length: 6 }, () => {
      const next = queue.shift(0);
      if (next !== undefined) queue.hold(next);
      return next?.id;
    });
    expect(order).toEqual(['high', 'b1', 'a1', 'a2', 'a3', 'low']);
    for (const one of [entry('old', 'd', 1), entry('late', 'c', 2, 30_000)]) queue.push(one);
    expect(queue.shift(30_000)?.id).toBe('old');
  });
});

describe('budget', () => {
  const prices = { inputNano: 2, outputNano: 10, models: { dear: { inputNano: 100, outputNano: 1_000 } } };

  test('what is held and spent never passes the limits, whatever is asked in whatever order', () => {
    const calls = fc.array(
      fc.record({
        model: fc.constantFrom('dear', 'm', '__proto__'),
        prompt: fc.nat(500),
        answer: fc.integer({ min: 1, max: 5_000 }),
        sharers: fc.integer({ min: 1, max: 5 }),
        used: fc.double({ min: 0, max: 1, noNaN: true }),
        late: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(calls, fc.nat(20_000), fc.nat(2_000_000), (asked, tokens, nanoUsd) => {
        const budget = new Budget({ tokens, nanoUsd, judgeCalls: null }, prices, {
          tokens: 0,
          nanoUsd: 0,
          judgeCalls: 0,
        });
        const open: (() => void)[] = [];
        for (const { model, prompt, answer, sharers, used, late } of asked) {
          const held = budget.reserve(model, prompt, answer, sharers);
          if (held === undefined) continue;
          expect(held.answerTokens).toBeLessThanOrEqual(answer);
          const out = Math.floor(held.answerTokens * used);
          const settle = () => held.settle(prompt + out, costNano(prices, model, prompt, out));
          if (late) open.push(settle);
          else settle();
        }
        for (const settle of open) settle();
        expect(budget.spent.tokens).toBeLessThanOrEqual(tokens);
        expect(budget.spent.nanoUsd).toBeLessThanOrEqual(nanoUsd);
        expect(Number.isInteger(budget.spent.nanoUsd)).toBe(true);
      }),
    );
  });

  test('judge calls are counted before they are made', () => {
    const budget = new Budget({ tokens: 10, nanoUsd: null, judgeCalls: 2 }, prices, {
      tokens: 0,
      nanoUsd: 0,
      judgeCalls: 1,
    });
    expect([budget.takeJudgeCall(), budget.takeJudgeCall()]).toEqual([true, false]);
    const poor = new Budget({ tokens: 10, nanoUsd: null, judgeCalls: null }, prices, {
      tokens: 0,
      nanoUsd: 0,
      judgeCalls: 0,
    });
    poor.book(10, 0);
    expect(poor.takeJudgeCall()).toBe(false);
  });
});

test('results are remembered for ten minutes, and only so many', () => {
  const kept = new FinishedEvents();
  for (let at = 0; at <= keptMost; at++) kept.put(`run-${at}`, last, at);
  expect([kept.get('run-0', 300), kept.get('run-1', 300), kept.get('run-1', keptMs + 1)]).toEqual([
    undefined,
    last,
    undefined,
  ]);
});
