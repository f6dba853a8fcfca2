import { describe, expect, test } from 'bun:test';
import { tournamentMethods } from '@labmesh/wire/verification/verification-block';
import fc from 'fast-check';
import type { Entrant, PlayedMatch, Ranking, TournamentInput, TournamentStep } from '../contract/tournament.ts';
import { seededRandom, shuffled } from '../ratings/seeded-random.ts';
import { matchesOf } from './methods.ts';
import { drawnMatch, equals, playOut } from './testing/play-out.ts';
import { tournamentStep } from './tournament-step.ts';

const methodOf = fc.constantFrom(...tournamentMethods);
const entrantOf = fc.record({
  valid: fc.boolean(),
  score: fc.double({ min: 0, max: 1, noNaN: true }),
  costUsd: fc.constantFrom(0, 0.001, 0.002),
  weight: fc.constantFrom(0.1, 1, 30),
});
const startOf = fc.record({
  method: methodOf,
  entrants: fc.array(entrantOf, { maxLength: 16 }),
  seed: fc.integer({ min: 0 }),
});

function rankingOf(input: TournamentInput): Ranking {
  const step = tournamentStep(input);
  if (step.state !== 'done') throw new Error(step.state);
  return step.ranking;
}

const valids = (entrants: readonly Entrant[]) => entrants.filter(({ valid }) => valid).length;

describe.each(tournamentMethods)('%s', (method) => {
  test.each([2, 3, 4, 5, 6, 7, 8, 9, 13, 16])('among %d plays as many matches as the table says', (size) => {
    for (let seed = 0; seed < 10; seed++) {
      const { played, end } = playOut({ method, entrants: equals(size), seed }, (match) => drawnMatch(match, seed));
      expect(end.state).toBe('done');
      expect(played).toHaveLength(matchesOf(method, size));
    }
  });

  test('none and one are ranked at once', () => {
    expect(rankingOf({ method, entrants: [], played: [], seed: 1 })).toEqual({
      order: [],
      ranks: [],
      rewards: [],
      scores: [],
    });
    const one = rankingOf({ method, entrants: equals(1), played: [], seed: 1 });
    expect(one).toEqual({ order: [0], ranks: [1], rewards: [method === 'verified_anchor' ? 1 : 0], scores: [1] });
  });

  test('without a valid one all get the floor', () => {
    const entrants = [0.2, 0.9, 0.9].map((score, at) => ({ valid: false, score, costUsd: at === 1 ? 2 : 1 }));
    const { order, ranks, rewards } = rankingOf({ method, entrants, played: [], seed: 1 });
    const floor = method === 'verification_weighted' ? -10 : -1;
    expect([order, ranks, rewards]).toEqual([
      [2, 1, 0],
      [1, 1, 1],
      [floor, floor, floor],
    ]);
  });

  test('more than a fifth void ends it, a fifth does not', () => {
    const entrants = equals(16);
    const total = matchesOf(method, 16);
    for (const voids of [Math.floor(total / 5), Math.floor(total / 5) + 1]) {
      let left = voids;
      const { end } = playOut({ method, entrants, seed: 3 }, (match) => drawnMatch(match, 3, left-- > 0 ? 1 : 0));
      expect(end.state).toBe(voids > total / 5 ? 'inconclusive' : 'done');
      if (end.state === 'inconclusive') expect(end).toEqual({ state: 'inconclusive', voided: voids, of: total });
    }
  });

  test('who wins every match wins', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 16 }), fc.integer({ min: 0 }), fc.nat(15), (size, seed, pick) => {
        const strong = pick % size;
        const { end } = playOut({ method, entrants: equals(size), seed }, (match) => {
          if (match.a !== strong && match.b !== strong) return drawnMatch(match, seed);
          const won = match.a === strong;
          return { ...match, scoreA: won ? 20 : 1, scoreB: won ? 1 : 20, winner: won ? 'a' : 'b' };
        });
        // An anchor knows nothing of challengers among each other.
        const shared = method.includes('anchor') || method === 'verification_weighted';
        if (end.state !== 'done') throw new Error(end.state);
        // With an odd number in Swiss rounds two can win all of theirs: those who could still meet would repeat a match.
        const asGood = method === 'swiss' ? end.ranking.scores.filter((score) => score === 1).length : 1;
        expect(end.ranking.ranks[strong]).toBeLessThanOrEqual(asGood);
        if (!shared && method !== 'swiss' && method !== 'swiss_bt') expect(end.ranking.order[0]).toBe(strong);
      }),
      { numRuns: 60 },
    );
  });
});

test('ends, with a permutation, and no failed entrant above a valid one', () => {
  fc.assert(
    fc.property(startOf, fc.double({ min: 0, max: 0.3, noNaN: true }), (start, voidShare) => {
      const { played, end } = playOut(start, (match) => drawnMatch(match, start.seed, voidShare));
      const { entrants } = start;
      for (const { a, b } of played) {
        expect(a).toBeLessThan(b);
        expect([entrants[a]?.valid, entrants[b]?.valid]).toEqual([true, true]);
      }
      if (end.state === 'inconclusive') return expect(end.voided).toBeGreaterThan(0.2 * end.of);
      expect(played).toHaveLength(matchesOf(start.method, valids(entrants)));
      checkRanking(end.ranking, entrants);
    }),
    { numRuns: 300 },
  );
});

function checkRanking({ order, ranks, rewards, scores }: Ranking, entrants: readonly Entrant[]): void {
  const all = entrants.map((_, index) => index);
  expect(order.toSorted((a, b) => a - b)).toEqual(all);
  for (const list of [ranks, rewards, scores]) expect(list).toHaveLength(entrants.length);
  expect(rewards.every(Number.isFinite)).toBe(true);
  expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
  for (const [at, index] of order.entries()) {
    const before = order[at - 1];
    if (before !== undefined) expect(ranks[before]).toBeLessThanOrEqual(ranks[index] ?? 0);
  }
  const good = all.filter((index) => entrants[index]?.valid);
  for (const failed of all.filter((index) => !entrants[index]?.valid)) {
    expect(rewards[failed]).toBeLessThanOrEqual(-1);
    for (const index of good) {
      expect(rewards[failed]).toBeLessThan(rewards[index] ?? 0);
      expect(ranks[failed]).toBeGreaterThan(ranks[index] ?? 0);
      expect(order.indexOf(failed)).toBeGreaterThan(order.indexOf(index));
    }
  }
}

test('any rows of a run give the same run, in whatever order they were played', () => {
  const cuts = fc.tuple(startOf, fc.integer({ min: 0 }), fc.double({ min: 0, max: 1, noNaN: true }));
  fc.assert(
    fc.property(cuts, ([start, shuffle, kept]) => {
      const play = (match: { round: number; a: number; b: number }) => drawnMatch(match, start.seed, 0.05);
      const whole = playOut(start, play);
      const random = seededRandom(shuffle);
      // As after a crash: some rows of the rounds are there, in the order of their ends.
      const rows: PlayedMatch[] = shuffled(whole.played, random).filter(() => random() < kept);
      for (;;) {
        const step = tournamentStep({ ...start, played: rows });
        const { end }: { end: TournamentStep } = whole;
        // Too many void: seen in the middle of a round it is over then, with as many as were counted.
        if (step.state === 'inconclusive') {
          expect(step.voided).toBeGreaterThan(0.2 * step.of);
          return expect(end).toMatchObject({ state: 'inconclusive', of: step.of });
        }
        if (step.state !== 'play') return expect(end).toEqual(step);
        const known = new Set(rows.map(({ round, a, b }) => `${round}/${a}/${b}`));
        for (const match of step.next) expect(known.has(`${match.round}/${match.a}/${match.b}`)).toBe(false);
        rows.push(play(shuffled(step.next, random)[0] as PlayedMatch));
      }
    }),
    { numRuns: 120 },
  );
});

test('rows that no round planned change nothing, and the first row of a match counts', () => {
  const input = { method: 'round_robin', entrants: equals(3), seed: 1 } as const;
  const { played, end } = playOut(input, (match) => drawnMatch(match, 1));
  const stray: PlayedMatch[] = [
    { round: 7, a: 0, b: 1, scoreA: 0, scoreB: 20, winner: 'b' },
    { round: 0, a: 2, b: 9, scoreA: 0, scoreB: 20, winner: 'b' },
    ...played.map((match) => ({ ...match, winner: 'void' as const })),
  ];
  expect(tournamentStep({ ...input, played: [...played, ...stray] })).toEqual(end);
});

test('the last of five stands at -1.265, so a failed one at -2.265', () => {
  const entrants = [...equals(5), { valid: false, score: 1, costUsd: 0 }];
  const { end } = playOut({ method: 'round_robin', entrants, seed: 1 }, (match) => ({
    ...match,
    scoreA: 20,
    scoreB: 0,
    winner: 'a',
  }));
  if (end.state !== 'done') throw new Error(end.state);
  expect(end.ranking.rewards.map((reward) => Math.round(reward * 1000) / 1000)).toEqual([
    1.265, 0.632, 0, -0.632, -1.265, -2.265,
  ]);
});

test('ties stand by cost, then by index', () => {
  const entrants = [0.03, 0.01, 0.02, 0.01].map((costUsd) => ({ valid: true, score: 1, costUsd }));
  for (const method of tournamentMethods) {
    const { end } = playOut({ method, entrants, seed: 5 }, (match) => ({
      ...match,
      scoreA: 10,
      scoreB: 10,
      winner: 'tie',
    }));
    if (end.state !== 'done') throw new Error(end.state);
    // Brackets put someone out after a tie, and a bye is a point: only what is still equal is a tie.
    if (method.includes('elimination')) continue;
    expect(end.ranking.order).toEqual([1, 3, 2, 0]);
    expect(end.ranking.ranks).toEqual([1, 1, 1, 1]);
    expect(end.ranking.rewards).toEqual([0, 0, 0, 0]);
  }
});

test('more entrants than a run may have are refused', () => {
  expect(() => tournamentStep({ method: 'anchor', entrants: equals(17), played: [], seed: 1 })).toThrow(RangeError);
});
