import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { BoundedQueue, BoundPassed, WaitingLine } from './bounded-queue.ts';

test('gives items in order and refuses above its bound by name', () => {
  const queue = new BoundedQueue<number>('test.max', 2);
  queue.push(1);
  queue.push(2);
  expect(() => queue.push(3)).toThrow(new BoundPassed('test.max', 2));
  expect([queue.size, queue.peek(), queue.shift(), queue.shift(), queue.shift(), queue.size]).toEqual([
    2,
    1,
    1,
    2,
    undefined,
    0,
  ]);
});

test('an item leaves when its signal aborts, from any place', () => {
  const queue = new BoundedQueue<string>('q', 10);
  const [first, middle, last] = [new AbortController(), new AbortController(), new AbortController()];
  const left: unknown[] = [];
  queue.push('a', first.signal, (reason) => left.push(reason));
  queue.push('b');
  queue.push('c', middle.signal);
  queue.push('d');
  queue.push('e', last.signal);
  middle.abort();
  expect([...queue]).toEqual(['a', 'b', 'd', 'e']);
  last.abort();
  first.abort('gone');
  expect([[...queue], left]).toEqual([['b', 'd'], ['gone']]);
  expect(() => queue.push('f', first.signal)).toThrow();
  queue.shift();
  queue.shift();
  first.abort();
  expect(queue.size).toBe(0);
});

test('behaves as a plain list under any order of push, shift and abort', () => {
  const step = fc.oneof(fc.constant('push' as const), fc.constant('shift' as const), fc.nat(20));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new BoundedQueue<number>('q', 8);
      let model: number[] = [];
      const controllers: AbortController[] = [];
      for (const what of steps) {
        if (what === 'push' && model.length < 8) {
          const controller = new AbortController();
          model.push(controllers.length);
          queue.push(controllers.length, controller.signal);
          controllers.push(controller);
        } else if (what === 'shift') {
          if (queue.shift() !== model.shift()) return false;
        } else if (typeof what === 'number') {
          controllers[what]?.abort();
          model = model.filter((item) => item !== what);
        }
      }
      return queue.size === model.length && [...queue].join() === model.join();
    }),
  );
});

test('a line admits its first caller; one that left is passed over', async () => {
  const line = new WaitingLine('line.max', 3);
  const seen: string[] = [];
  const leaving = new AbortController();
  const waits = [
    line.wait(leaving.signal).catch((reason) => seen.push(`left: ${String(reason)}`)),
    line.wait().then(() => seen.push('b')),
    line.wait().then(() => seen.push('c')),
  ];
  expect(await thrower(line.wait())).toThrow(new BoundPassed('line.max', 3));
  leaving.abort('client gone');
  expect([line.admit(), line.admit(), line.admit()]).toEqual([true, true, false]);
  await Promise.all(waits);
  expect(seen).toEqual(['left: client gone', 'b', 'c']);
});
