import { expect, test } from 'bun:test';
import type { TournamentMethod } from '@labmesh/wire/verification/verification-block';
import { matchesOf, resolveMethod } from './methods.ts';
import { rank, rawRewards, zNormalised } from './rank.ts';
import { bracketSeeds } from './single-elimination.ts';
import { swissPairs } from './swiss-pairs.ts';

const calls: [TournamentMethod, number, number][] = [
  ['anchor', 8, 30],
  ['round_robin', 20, 240],
  ['swiss', 12, 64],
  ['swiss_bt', 16, 80],
  ['single_elimination', 16, 60],
  ['double_elimination', 16, 60],
  ['verified_anchor', 8, 30],
  ['verification_weighted', 8, 30],
];

test.each(calls)('%s asks the judge %d times at 5 and %d times at 16', (method, five, sixteen) => {
  expect([2 * matchesOf(method, 5), 2 * matchesOf(method, 16)]).toEqual([five, sixteen]);
  expect([matchesOf(method, 0), matchesOf(method, 1)]).toEqual([0, 0]);
});

test('auto takes every pair for few, then Swiss, or a bracket when only the winner counts', () => {
  const auto = (entrants: number, winnerOnly: boolean) => resolveMethod('auto', entrants, winnerOnly).method;
  expect([auto(2, true), auto(6, true), auto(6, false)]).toEqual(['round_robin', 'round_robin', 'round_robin']);
  expect([auto(7, true), auto(7, false), auto(16, false)]).toEqual(['swiss_bt', 'swiss_bt', 'swiss_bt']);
  expect([auto(8, true), auto(16, true)]).toEqual(['double_elimination', 'double_elimination']);
});

test('a named method is taken; lightning warns', () => {
  expect(resolveMethod('swiss', 3, true)).toEqual({ method: 'swiss', warning: null });
  expect(resolveMethod('anchor', 3, true)).toEqual({ method: 'anchor', warning: null });
  const lightning = resolveMethod('lightning', 16, false);
  expect(lightning.method).toBe('anchor');
  expect(lightning.warning).toContain('seldom');
});

test('seeds of a standard bracket', () => {
  expect(bracketSeeds(2)).toEqual([0, 1]);
  expect(bracketSeeds(5)).toEqual([0, 7, 3, 4, 1, 6, 2, 5]);
  expect(bracketSeeds(8)).toEqual(bracketSeeds(5));
});

test('Swiss pairs neighbours that have not met, and takes a rematch only when there is no other way', () => {
  const met = (pairs: string[]) => (one: number, other: number) =>
    pairs.includes([one, other].toSorted((a, b) => a - b).join('-'));
  expect(swissPairs([3, 0, 2, 1], met([]))).toEqual([
    { a: 0, b: 3 },
    { a: 1, b: 2 },
  ]);
  expect(swissPairs([0, 1, 2, 3], met(['0-1']))).toEqual([
    { a: 0, b: 2 },
    { a: 1, b: 3 },
  ]);
  // Left of six after three rounds can be two triangles, which no pairing covers.
  const triangles = ['0-3', '0-4', '0-5', '1-3', '1-4', '1-5', '2-3', '2-4', '2-5'];
  const pairs = swissPairs([0, 1, 2, 3, 4, 5], met(triangles));
  expect(pairs.filter(({ a, b }) => triangles.includes(`${a}-${b}`))).toHaveLength(1);
  expect(swissPairs([0, 1], () => true)).toEqual([{ a: 0, b: 1 }]);
  expect(swissPairs([], met([]))).toEqual([]);
});

test('ranks and rewards: the best is shared, the mean is shared, or each stands at its rank', () => {
  const { order, ranks } = rank([[1, 0], [3, 1], [3, 2], [3, 1], [0]], (one, other) => other - one);
  expect([order, ranks]).toEqual([
    [2, 3, 1, 0, 4],
    [4, 2, 1, 2, 5],
  ]);
  expect(rawRewards(ranks, 'best_shared')).toEqual([0.25, 0.75, 1, 0.75, 0]);
  expect(rawRewards(ranks, 'mean_shared')).toEqual([0.25, 0.625, 1, 0.625, 0]);
  expect(rawRewards(ranks, 'by_rank')).toEqual([0.25, 0.75, 1, 0.75, 0]);
  expect(rawRewards([1, 1], 'best_shared')).toEqual([0, 0]);
  expect([zNormalised([]), zNormalised([7])]).toEqual([[], [0]]);
  expect(zNormalised([1, 0]).map((value) => Math.round(value * 1000))).toEqual([707, -707]);
});
