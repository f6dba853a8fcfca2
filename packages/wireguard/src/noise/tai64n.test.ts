import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { cookieLifeMs, CookieSecret } from './cookie-secret.ts';
import { isNewer, TimestampSource, type TimestampStore } from './tai64n.ts';

function memoryStore(kept?: Uint8Array): TimestampStore & { writes: number; kept: Uint8Array | undefined } {
  const store = {
    writes: 0,
    kept,
    load: () => store.kept,
    save: (stamp: Uint8Array) => {
      store.kept = stamp;
      store.writes += 1;
    },
  };
  return store;
}

describe('timestamps', () => {
  test('are TAI64N: 10 s and an epoch above Unix time, nanoseconds without their low 24 bits', () => {
    const source = new TimestampSource(memoryStore(), () => 1_700_000_000_500);
    expect(Buffer.from(source.next()).toString('hex')).toBe('400000006553f10a1d000000');
  });

  test('always rise, whatever the clock does and however often the process starts again', () => {
    const step = fc.record({ wall: fc.integer({ min: -10, max: 4_000_000_000_000 }), restart: fc.boolean() });
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = memoryStore();
      let wall = 0;
      let source = new TimestampSource(store, () => wall);
      let last: Uint8Array = new Uint8Array(12);
      for (const one of steps) {
        wall = one.wall;
        if (one.restart) source = new TimestampSource(store, () => wall);
        const stamp = source.next();
        expect(isNewer(stamp, last)).toBe(true);
        expect(isNewer(stamp, store.kept!)).toBe(false);
        expect(new DataView(stamp.buffer).getUint32(8)).toBeLessThan(1e9);
        last = stamp;
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('one write a minute', () => {
    const store = memoryStore();
    let wall = 1_700_000_000_000;
    const source = new TimestampSource(store, () => wall);
    for (let s = 0; s < 600; s += 5) {
      wall += 5000;
      source.next();
    }
    expect(store.writes).toBeLessThanOrEqual(10);
  });

  test('a stored value that is none counts as none', () => {
    for (const kept of [new Uint8Array(3), new Uint8Array(12), new Uint8Array(12).fill(0xff)]) {
      const source = new TimestampSource(memoryStore(kept), () => 1_700_000_000_500);
      expect(Buffer.from(source.next()).toString('hex')).toBe('400000006553f10a1d000000');
    }
  });
});

test('a cookie holds for its source and two minutes', () => {
  let drawn = 0;
  const secret = new CookieSecret((length) => new Uint8Array(length).fill((drawn += 1)));
  const [here, there] = [Uint8Array.of(10, 0, 0, 1, 1, 2), Uint8Array.of(10, 0, 0, 1, 1, 3)];
  const first = secret.cookieFor(here, 1000);
  expect(first.length).toBe(16);
  expect(secret.cookieFor(here, 1000 + cookieLifeMs - 1)).toEqual(first);
  expect(secret.cookieFor(there, 1000)).not.toEqual(first);
  expect(secret.cookieFor(here, 1000 + cookieLifeMs)).not.toEqual(first);
  expect(drawn).toBe(2);
});
