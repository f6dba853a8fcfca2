import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Window, buckets, judge, type Rule } from './window.ts';

const rule: Rule = { max: 10, windowMs: 60_000 };
const bucketMs = rule.windowMs / buckets;

describe('the sliding window', () => {
  test('RL-1: the limit passes, the next is refused and told when to come back', () => {
    const window = new Window();
    for (let i = 0; i < 10; i++) {
      expect(window.take(rule, 1_000, 1)).toMatchObject({
        allowed: true,
        limit: 10,
        remaining: 9 - i,
        retryAfterMs: 0,
      });
    }
    const refused = window.take(rule, 1_000, 1);
    expect(refused).toEqual({ allowed: false, limit: 10, remaining: 0, resetMs: 59_000, retryAfterMs: 59_000 });
    expect(window.take(rule, 59_999, 1).allowed).toBe(false);
    expect(window.take(rule, 60_000, 1).allowed).toBe(true);
  });

  test('a refused call does not count, so waiting as told is enough', () => {
    const window = new Window();
    const calls = fc.array(fc.tuple(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 1, max: 10 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(calls, (list) => {
        const fresh = new Window();
        let now = 0;
        for (const [wait, cost] of list) {
          now += wait;
          const found = fresh.take(rule, now, cost);
          if (found.allowed) continue;
          expect(found.retryAfterMs).toBeGreaterThan(0);
          expect(fresh.look(rule, now + found.retryAfterMs, cost).allowed).toBe(true);
          now += found.retryAfterMs;
        }
      }),
    );
    expect(window.look(rule, 0, 1).remaining).toBe(10);
  });

  test('who stays within the limit is never refused, and five sixths of a window never hold more than it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 200 }), (waits) => {
        const window = new Window();
        const passed: number[] = [];
        let now = 0;
        for (const wait of waits) {
          now += wait;
          const inWindow = passed.filter((at) => at > now - rule.windowMs).length;
          const found = window.take(rule, now, 1);
          if (inWindow < rule.max) {
            expect(found.allowed).toBe(true);
          }
          if (found.allowed) passed.push(now);
          expect(passed.filter((at) => at > now - rule.windowMs + bucketMs).length).toBeLessThanOrEqual(rule.max);
        }
      }),
    );
  });

  test('a cost above the limit never passes', () => {
    expect(new Window().take(rule, 0, 11)).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
  });

  test('after a long rest all is forgotten, and looking changes nothing', () => {
    const window = new Window();
    window.take(rule, 0, 10);
    expect(window.look(rule, 0, 1).allowed).toBe(false);
    expect(window.look(rule, 1e9, 1)).toEqual({ allowed: true, limit: 10, remaining: 10, resetMs: 0, retryAfterMs: 0 });
    expect(window.look(rule, 1e9, 1).remaining).toBe(10);
  });
});

test('judge reads counts oldest first', () => {
  const seen = { counts: [3, 0, 0, 5, 2, 0], intoMs: 4_000 };
  expect(judge(rule, seen, 1, false)).toEqual({
    allowed: false,
    limit: 10,
    remaining: 0,
    resetMs: 46_000,
    retryAfterMs: 6_000,
  });
  expect(judge(rule, seen, 4, false).retryAfterMs).toBe(36_000);
  expect(judge(rule, seen, 1, true).allowed).toBe(true);
});
