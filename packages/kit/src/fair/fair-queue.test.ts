import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type FairEntry, FairQueue } from './fair-queue.ts';

type Entry = FairEntry & { id: number };
const bounds = { name: 'test.queue', max: 1_000, groupMax: 500, ageMs: 30_000, places: 1_000, keepMs: 60_000 };
let ids = 0;
const entry = (group: string, priority = 2, since = 0): Entry => ({ id: ++ids, group, priority, since });
const groups = ['a', 'b', 'c', 'd'];

/** Takes and holds so many, one after another; whose they were. */
function serve(queue: FairQueue<Entry>, count: number, now = 0): string[] {
  return Array.from({ length: count }, () => {
    const next = queue.shift(now);
    if (next === undefined) return '-';
    queue.hold(next);
    return next.group;
  });
}

/** The same, each giving its place back before the next. */
function serveOne(queue: FairQueue<Entry>, count: number, now = 0): string[] {
  return Array.from({ length: count }, () => {
    const [group = '-'] = serve(queue, 1, now);
    if (group !== '-') queue.free(group, now);
    return group;
  });
}

describe('shares', () => {
  test('one that floods has one turn before another, and one place for each of another', () => {
    const queue = new FairQueue<Entry>(bounds);
    for (let at = 0; at < 50; at++) queue.push(entry('a'));
    expect([queue.room('a'), queue.room('b')]).toEqual([450, 500]);
    expect(serveOne(queue, 5)).toEqual(['a', 'a', 'a', 'a', 'a']);
    queue.push(entry('b'));
    expect(serveOne(queue, 3)).toEqual(['a', 'b', 'a']);
    for (let at = 0; at < 3; at++) queue.push(entry('c'));
    queue.push(entry('b'));
    expect(serve(queue, 8)).toEqual(['a', 'c', 'b', 'a', 'c', 'a', 'c', 'a']);
  });

  test('who waits behind work of its own does not grow old against others', () => {
    const queue = new FairQueue<Entry>(bounds);
    for (let at = 0; at < 50; at++) queue.push(entry('a', 2, 0));
    serve(queue, 1, 600_000);
    queue.push(entry('b', 2, 600_000));
    queue.free('a', 600_001);
    // Its entries have waited for ten minutes, it itself was served a moment ago.
    expect(serveOne(queue, 3, 600_001)).toEqual(['b', 'a', 'a']);
    serve(queue, 1, 600_001);
    queue.push(entry('b', 2, 600_002));
    expect(serve(queue, 1, 900_000)).toEqual(['b']);
  });

  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const), group: fc.constantFrom(...groups) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('start' as const), lateMs: fc.nat(40_000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('end' as const, 'leave' as const), which: fc.nat(50) }) },
  );

  test('of one class: no group gets a place while another that waits holds fewer; one that holds none waits one turn', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FairQueue<Entry>(bounds);
        let waiting: Entry[] = [];
        const held: string[] = [];
        const holds = (group: string) => held.filter((one) => one === group).length;
        // Turns of others since a group began to wait without a place.
        const passed = new Map<string, string[]>();
        let now = 0;
        for (const one of steps) {
          if (one.kind === 'push') {
            const pushed = entry(one.group, 2, now);
            if (holds(one.group) === 0 && !waiting.some(({ group }) => group === one.group)) passed.set(one.group, []);
            queue.push(pushed);
            waiting.push(pushed);
          } else if (one.kind === 'start') {
            const next = queue.shift((now += one.lateMs));
            expect(next === undefined).toBe(waiting.length === 0);
            if (next === undefined) continue;
            for (const { group } of waiting) expect(holds(next.group)).toBeLessThanOrEqual(holds(group));
            // Order inside a group is kept.
            expect(waiting.find(({ group }) => group === next.group)).toBe(next);
            waiting = waiting.filter((other) => other !== next);
            for (const turns of passed.values()) turns.push(next.group);
            passed.delete(next.group);
            queue.hold(next);
            held.push(next.group);
          } else if (one.kind === 'end' && held.length > 0) {
            const [group = ''] = held.splice(one.which % held.length, 1);
            queue.free(group, now);
            if (holds(group) === 0 && waiting.some((other) => other.group === group)) passed.set(group, []);
          } else if (one.kind === 'leave' && waiting.length > 0) {
            const [left] = waiting.splice(one.which % waiting.length, 1);
            expect(left !== undefined && queue.remove(left)).toBe(true);
            if (left !== undefined && !waiting.some(({ group }) => group === left.group)) passed.delete(left.group);
          }
          expect(queue.size).toBe(waiting.length);
          for (const turns of passed.values()) expect(new Set(turns).size).toBe(turns.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('classes', () => {
  test('inside a group: the highest first, the oldest of equals, one class more for each 30 s waited (RP8)', () => {
    const queue = new FairQueue<Entry>(bounds);
    const given = [entry('a', 1), entry('a', 2, 50_000), entry('a', 2, 50_001), entry('a', 3, 50_000)];
    for (const one of given) queue.push(one);
    const [low, first, second, high] = given;
    // 60 s made two of the low one's; the high one came later and has the same.
    expect(given.map(() => queue.shift(60_000))).toEqual([low, high, first, second]);
    expect(queue.shift(0)).toBeUndefined();
  });

  test('a group stands where its best stands, also behind work of its own that grew old', () => {
    const queue = new FairQueue<Entry>(bounds);
    for (const one of [entry('a', 1, 0), entry('a', 4, 150_000), entry('b', 3, 150_000)]) queue.push(one);
    serve(queue, 1, 150_000);
    expect(serve(queue, 2, 150_000)).toEqual(['a', 'b']);
  });

  test('no class waits for ever, whatever others send in whatever order', () => {
    const other = fc.record({ group: fc.constantFrom(...groups), priority: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(fc.array(other, { minLength: 1, maxLength: 200 }), (others) => {
        const queue = new FairQueue<Entry>(bounds);
        queue.push(entry('patient', 1));
        let now = 0;
        for (const { group, priority } of others) {
          queue.push(entry(group, priority, (now += 1_000)));
          if (serveOne(queue, 1, now)[0] === 'patient') return;
        }
        // 120 s are worth more than any priority of who is served meanwhile; then each other has one turn.
        expect(now).toBeLessThanOrEqual(126_000);
      }),
    );
  });
});

describe('the last free place', () => {
  const open = () => new FairQueue<Entry>({ ...bounds, places: 4 });

  test('is not for who holds some, while another was here a moment ago and holds none', () => {
    const queue = open();
    for (let at = 0; at < 20; at++) queue.push(entry('a'));
    // Alone it has every place.
    expect(serve(queue, 4)).toEqual(['a', 'a', 'a', 'a']);
    queue.push(entry('b'));
    queue.free('a', 0);
    expect(serve(queue, 1)).toEqual(['b']);
    queue.free('b', 1_000);
    // One job after another: each finds a place that is open.
    for (let now = 2_000; now < 10_000; now += 1_000) {
      expect(serve(queue, 1, now)).toEqual(['-']);
      expect([queue.isOpenTo(entry('a'), now), queue.isOpenTo(entry('b'), now)]).toEqual([false, true]);
      queue.push(entry('b', 2, now));
      expect(serve(queue, 1, now)).toEqual(['b']);
      queue.free('b', now);
    }
    // When it has not come for a while, nobody waits for it.
    expect(serve(queue, 1, 9_000 + 60_000)).toEqual(['a']);
  });

  test('is for a higher class than that of who was here, and for who holds none', () => {
    const queue = open();
    queue.hold(entry('b'));
    queue.free('b', 0);
    for (const group of ['a', 'a', 'c']) queue.hold(entry(group));
    expect(queue.isOpenTo(entry('a', 2), 1)).toBe(false);
    expect([queue.isOpenTo(entry('a', 3), 1), queue.isOpenTo(entry('d'), 1)]).toEqual([true, true]);
    queue.hold(entry('b'));
    queue.free('a', 1);
    // All that were here hold some: nothing is kept open.
    expect(queue.isOpenTo(entry('a'), 1)).toBe(true);
  });

  test('is never kept from all: as long as work ends, everything that waits is served', () => {
    const arrivals = fc.array(fc.constantFrom(...groups), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 4 }), (arrived, places) => {
        const queue = new FairQueue<Entry>({ ...bounds, places });
        const held: string[] = [];
        const start = (now: number) => {
          for (
            let next = queue.shift(now);
            next !== undefined;
            next = held.length < places ? queue.shift(now) : undefined
          ) {
            queue.hold(next);
            held.push(next.group);
            expect(held.length).toBeLessThanOrEqual(places);
          }
        };
        for (const [now, group] of arrived.entries()) {
          queue.push(entry(group, 2, now));
          if (held.length < places) start(now);
          // Of those that wait at a place that is free, each holds one.
          if (held.length < places) expect(queue.take(({ group: one }) => !held.includes(one))).toEqual([]);
          if (now % 3 !== 2) continue;
          queue.free(held.shift() ?? '', now);
          start(now);
        }
        for (let ends = 0; held.length > 0; ends++) {
          queue.free(held.shift() ?? '', 100);
          start(100);
          expect(ends).toBeLessThanOrEqual(arrived.length);
        }
        expect(queue.size).toBe(0);
      }),
    );
  });

  test('is kept for a thousand names at most', () => {
    const queue = open();
    for (let at = 0; at <= 1_100; at++) {
      queue.hold(entry(`g${at}`));
      queue.free(`g${at}`, 0);
    }
    for (let at = 0; at < 3; at++) queue.hold(entry('a'));
    expect(queue.isOpenTo(entry('a'), 1)).toBe(false);
    expect(queue.isOpenTo(entry('a'), 60_001)).toBe(true);
  });
});

test('of those that meet a condition the next is taken as if the others were not there', () => {
  const queue = new FairQueue<Entry>({ ...bounds, places: 0, keepMs: 0 });
  const [a1, a2, b1] = [entry('a'), entry('a'), entry('b', 1)];
  for (const one of [a1, a2, b1]) queue.push(one);
  expect(queue.shift(0, (one) => one === b1)).toBe(b1);
  expect(queue.shift(0, () => false)).toBeUndefined();
  expect(queue.shift(0, (one) => one !== a1)).toBe(a2);
  expect([queue.size, queue.shift(0)]).toEqual([1, a1]);
});

describe('bounds', () => {
  test('of one group and of all, by name; what left makes room', () => {
    const queue = new FairQueue<Entry>({ ...bounds, max: 3, groupMax: 2 });
    const first = entry('a');
    for (const one of [first, entry('a'), entry('b')]) queue.push(one);
    expect(() => queue.push(entry('c'))).toThrow('test.queue (3)');
    queue.shift(0);
    expect(queue.size).toBe(2);
    queue.push(entry('a'));
    queue.take(({ group }) => group === 'b');
    expect(() => queue.push(entry('a'))).toThrow('test.queue_per_group (2)');
    expect(queue.remove(first)).toBe(false);
    expect(queue.take(() => true)).toHaveLength(2);
    expect([queue.size, queue.shift(0)]).toEqual([0, undefined]);
    expect(() => queue.free('a', 0)).toThrow(RangeError);
  });
});
