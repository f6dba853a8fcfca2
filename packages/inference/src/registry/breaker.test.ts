import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Breaker, breakerRules } from './breaker.ts';

const failTimes = (breaker: Breaker, times: number, now: number) => {
  for (let i = 0; i < times; i += 1) breaker.failure(now);
};

describe('breaker', () => {
  test('opens at exactly five failures in a row', () => {
    const breaker = new Breaker();
    failTimes(breaker, 4, 0);
    expect(breaker.admits(0)).toBe(true);
    breaker.failure(0);
    expect(breaker.admits(0)).toBe(false);
    expect(breaker.opensUntil).toBe(30_000);
  });

  test('a success in between starts the count again', () => {
    const breaker = new Breaker();
    failTimes(breaker, 4, 0);
    breaker.success(1);
    failTimes(breaker, 4, 2);
    expect(breaker.admits(2)).toBe(true);
  });

  test('failures older than the window are forgotten', () => {
    const breaker = new Breaker();
    failTimes(breaker, 4, 0);
    breaker.failure(breakerRules.windowMs + 1);
    expect(breaker.admits(breakerRules.windowMs + 1)).toBe(true);
  });

  test('after 30 s exactly one trial; success closes', () => {
    const breaker = new Breaker();
    failTimes(breaker, 5, 0);
    expect(breaker.admits(29_999)).toBe(false);
    expect(breaker.admits(30_000)).toBe(true);
    breaker.begin(30_000);
    expect(breaker.admits(30_001)).toBe(false);
    breaker.success(30_100);
    expect(breaker.admits(30_100)).toBe(true);
  });

  test('a failed trial doubles the wait up to 300 s', () => {
    const breaker = new Breaker();
    failTimes(breaker, 5, 0);
    const waits: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      const at = breaker.opensUntil ?? 0;
      breaker.begin(at);
      breaker.failure(at);
      waits.push((breaker.opensUntil ?? 0) - at);
    }
    expect(waits).toEqual([60_000, 120_000, 240_000, 300_000, 300_000, 300_000]);
  });

  test('an abandoned trial is free again; a forgotten one is given up', () => {
    const breaker = new Breaker();
    failTimes(breaker, 5, 0);
    breaker.begin(30_000);
    breaker.abandon(31_000);
    expect(breaker.admits(31_000)).toBe(true);
    breaker.begin(31_000);
    expect(breaker.admits(31_000 + breakerRules.trialMsMax - 1)).toBe(false);
    expect(breaker.admits(31_000 + breakerRules.trialMsMax)).toBe(true);
  });

  test('whatever happens, at most one trial at a time and always a way back', () => {
    const step = fc.constantFrom('success', 'failure', 'begin', 'abandon', 'wait');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const breaker = new Breaker();
        let now = 0;
        for (const name of steps) {
          if (name === 'wait') now += 20_000;
          else breaker[name](now);
          if (breaker.type === 'trial' && name === 'begin') expect(breaker.admits(now)).toBe(false);
        }
        expect(breaker.admits(now + breakerRules.trialMsMax)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
