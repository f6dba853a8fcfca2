import { describe, expect, test } from 'bun:test';
import { UidPool, uidsOfSandboxes } from './uid-pool.ts';

describe('uids', () => {
  test('are given to one at a time, each of the range, and then no more', () => {
    const pool = new UidPool(900_000);
    const taken = Array.from({ length: uidsOfSandboxes }, () => pool.take());
    expect(new Set(taken).size).toBe(uidsOfSandboxes);
    expect(taken.every((uid) => uid !== undefined && pool.holds(uid))).toBe(true);
    expect(pool.take()).toBeUndefined();
    pool.give(900_123);
    expect(pool.take()).toBe(900_123);
  });

  test('come back into use last of all', () => {
    const pool = new UidPool(1000, () => 0);
    const first = pool.take() ?? -1;
    pool.give(first);
    expect(pool.take()).not.toBe(first);
  });

  test('start anywhere', () => {
    expect(new UidPool(1000, () => 0.5).take()).toBe(1000 + uidsOfSandboxes / 2);
    expect(new UidPool(1000, () => 0.9999).take()).toBe(1000 + uidsOfSandboxes - 1);
  });

  test('are of the range alone', () => {
    const pool = new UidPool(1000);
    expect([999, 1000, 2023, 2024].map((uid) => pool.holds(uid))).toEqual([false, true, true, false]);
  });

  test.each([0, -1, 1.5, Number.NaN, 0x7fffffff, 3_000_000_000])('a base of %p is refused', (base) => {
    expect(() => new UidPool(base)).toThrow('sandbox.uid_base');
  });
});
