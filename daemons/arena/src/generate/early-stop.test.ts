import { expect, test } from 'bun:test';
import { decideStop, earlyStopDefaults, type Progress, stopReasons } from './early-stop.ts';

const calm: Progress = { validScores: [], failed: 0, variations: 5, tokens: 10, timedOut: false, abandoned: false };
const on = { ...earlyStopDefaults, enabled: true };

test('AR5: the seven names and the defaults', () => {
  expect(stopReasons).toEqual([
    'hard_verification_failure',
    'quality_threshold_met',
    'sufficient_valid',
    'budget_exceeded',
    'timeout',
    'all_failed',
    'user_requested',
  ]);
  const { qualityThreshold, minValid, maxTokens, delayMs, aggressive } = earlyStopDefaults;
  expect([qualityThreshold, minValid, maxTokens, delayMs, aggressive]).toEqual([0.9, 1, 100_000, 100, false]);
});

test('failed siblings end nobody while one may still come', () => {
  expect(decideStop({ ...calm, failed: 4 }, on)).toBeUndefined();
  expect(decideStop({ ...calm, failed: 5 }, on)).toBe('all_failed');
});

test('a good answer ends the others only where that is switched on', () => {
  const good = { ...calm, validScores: [0.95] };
  expect(decideStop(good, earlyStopDefaults)).toBeUndefined();
  expect(decideStop(good, on)).toBe('quality_threshold_met');
  expect(decideStop({ ...calm, validScores: [0.5] }, on)).toBeUndefined();
  expect(decideStop({ ...calm, validScores: [0.5] }, { ...on, aggressive: true })).toBe('sufficient_valid');
  expect(decideStop(good, { ...on, minValid: 2 })).toBeUndefined();
});

test('time, money and whoever asked end everything, switched on or not', () => {
  expect(decideStop({ ...calm, timedOut: true }, earlyStopDefaults)).toBe('timeout');
  expect(decideStop({ ...calm, tokens: 100_000 }, earlyStopDefaults)).toBe('budget_exceeded');
  expect(decideStop({ ...calm, abandoned: true, timedOut: true }, earlyStopDefaults)).toBe('user_requested');
});
