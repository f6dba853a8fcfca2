import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { BoundPassed } from '../bounded-queue.ts';
import { FakeClock } from '../clock.ts';
import { FairPlaces } from './fair-places.ts';

const never = new AbortController().signal;
const a = { group: 'a', priority: 2 };
const b = { group: 'b', priority: 2 };
const places = (size: number, max = 10, keepMs = 0) =>
  new FairPlaces(size, { name: 'test.line', max, groupMax: max, ageMs: 30_000, keepMs }, new FakeClock());

test('a place goes to whoever has none, and inside a group to the first', async () => {
  const at = places(2);
  const held = [await at.enter(a, never), await at.enter(a, never)];
  const order: string[] = [];
  const enter = (name: string, turn: typeof a) =>
    at.enter(turn, never).then((place) => {
      order.push(name);
      return place;
    });
  const waits = [enter('a1', a), enter('a2', a), enter('b1', b), enter('b2', b)];
  expect([at.held, at.waiting]).toEqual([2, 4]);
  held[0]?.[Symbol.dispose]();
  // A place given back twice is one place.
  held[0]?.[Symbol.dispose]();
  (await waits[2])?.[Symbol.dispose]();
  (await waits[3])?.[Symbol.dispose]();
  (await waits[0])?.[Symbol.dispose]();
  (await waits[1])?.[Symbol.dispose]();
  held[1]?.[Symbol.dispose]();
  expect([order, at.held, at.waiting]).toEqual([['b1', 'b2', 'a1', 'a2'], 0, 0]);
});

test('who leaves the line leaves nothing; who leaves while a place is handed over gives it on', async () => {
  const at = places(1, 2);
  const place = await at.enter(a, never);
  const [first, second] = [new AbortController(), new AbortController()];
  const left = at.enter(a, first.signal);
  const handed = at.enter(b, second.signal);
  expect(await thrower(at.enter(b, never))).toThrow(BoundPassed);
  first.abort(new Error('gone'));
  expect(await thrower(left)).toThrow('gone');
  const last = at.enter(a, never);
  place[Symbol.dispose]();
  second.abort(new Error('gone too'));
  expect(await thrower(handed)).toThrow('gone too');
  (await last)[Symbol.dispose]();
  expect([at.held, at.waiting]).toEqual([0, 0]);
  expect(await thrower(at.enter(a, first.signal))).toThrow('gone');
});

test('one job after another finds a place open beside a group that would fill them all', async () => {
  const at = places(2, 10, 60_000);
  const flood = Array.from({ length: 5 }, () => at.enter(a, never));
  const [first, second] = [await flood[0], await flood[1]];
  const waiting = at.enter(b, never);
  first?.[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
  for (let job = 0; job < 3; job++) {
    expect([at.held, at.waiting]).toEqual([1, 3]);
    (await at.enter(b, never))[Symbol.dispose]();
  }
  second?.[Symbol.dispose]();
  for (const place of flood.slice(2)) (await place)[Symbol.dispose]();
  expect([at.held, at.waiting]).toEqual([0, 0]);
});
