import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { binomial } from './binomial.ts';
import { type Battle, bradleyTerry } from './bradley-terry.ts';
import { ratingIntervals } from './rating-intervals.ts';
import { seededRandom, shuffled } from './seeded-random.ts';
import { evenLogits, madeBattles } from './testing/made-battles.ts';

const battle = (a: number, b: number, winsA: number, winsB: number, ties = 0): Battle => ({ a, b, winsA, winsB, ties });

describe('fit', () => {
  test('recovers known strengths to 0.02 logit', () => {
    const known = evenLogits(10, 3);
    const { logits, converged } = bradleyTerry(10, madeBattles(known, 4_500_000, 3));
    expect(converged).toBe(true);
    for (const [player, logit] of known.entries()) expect(Math.abs((logits[player] ?? 9) - logit)).toBeLessThan(0.02);
  });

  test('exact counts give exact strengths: the virtual draw weighs nothing beside many games', () => {
    const { logits } = bradleyTerry(2, [battle(0, 1, 3_000_000, 1_000_000)]);
    expect((logits[0] ?? 0) - (logits[1] ?? 0)).toBeCloseTo(Math.log(3), 4);
  });

  test('a tie is half a win each', () => {
    const drawn = bradleyTerry(3, [battle(0, 1, 10, 4, 6), battle(1, 2, 5, 5, 2)]).logits;
    const halves = bradleyTerry(3, [battle(0, 1, 13, 7), battle(1, 2, 6, 6)]).logits;
    for (const [player, logit] of drawn.entries()) expect(logit).toBeCloseTo(halves[player] ?? 9, 9);
  });

  test('battles of a weight count as so many of weight 1, fractions too', () => {
    const plain = bradleyTerry(3, [battle(0, 1, 10, 4, 6), battle(1, 2, 5, 5, 2), battle(0, 1, 2.5, 5, 1.5)]).logits;
    const weighed = [battle(0, 1, 10, 4, 6), battle(1, 2, 5, 5, 2), { ...battle(0, 1, 5, 10, 3), weight: 0.5 }];
    for (const [player, logit] of bradleyTerry(3, weighed).logits.entries())
      expect(logit).toBeCloseTo(plain[player] ?? 9, 9);
  });

  test('who won all, or met nobody, stands at a finite place', () => {
    const { logits, converged } = bradleyTerry(3, [battle(0, 1, 50, 0)]);
    expect(converged).toBe(true);
    expect(logits.every(Number.isFinite)).toBe(true);
    expect(logits[0]).toBeGreaterThan(logits[2] ?? 9);
    expect(logits[2]).toBeGreaterThan(logits[1] ?? 9);
    expect(bradleyTerry(0, [])).toEqual({ logits: [], converged: true });
    expect(bradleyTerry(1, []).logits).toEqual([0]);
  });

  test('at the fit every player has won as often as expected, and order of rows is nothing', () => {
    const battles = fc.array(
      fc.record({ a: fc.nat(5), b: fc.nat(5), winsA: fc.nat(30), winsB: fc.nat(30), ties: fc.nat(9) }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(battles, fc.integer(), (given, seed) => {
        const rows = given.filter(({ a, b }) => a !== b);
        const { logits } = bradleyTerry(6, rows);
        const other = bradleyTerry(6, shuffled(rows, seededRandom(seed))).logits;
        for (const [player, logit] of logits.entries()) expect(logit).toBeCloseTo(other[player] ?? 9, 5);
        // The virtual player pulls to where the mean is not 0, so only differences are looked at: loosely.
        const surplus = logits.map((_, player) => surplusOf(player, rows, logits));
        for (const value of surplus) expect(Math.abs(value)).toBeLessThan(0.51);
      }),
      { numRuns: 100 },
    );
  });

  const surplusOf = (player: number, rows: readonly Battle[], logits: readonly number[]) =>
    rows.reduce((sum, { a, b, winsA, winsB, ties }) => {
      if (a !== player && b !== player) return sum;
      const [own, other, won] = a === player ? [a, b, winsA] : [b, a, winsB];
      const expected = (winsA + winsB + ties) / (1 + Math.exp((logits[other] ?? 0) - (logits[own] ?? 0)));
      return sum + won + ties / 2 - expected;
    }, 0);
});

describe('draws', () => {
  test.each([
    [5, 0.3],
    [40, 0.01],
    [1000, 0.2],
    [100_000, 0.7],
    [50, 0.5],
  ])('binomial of %d at %f has its mean and deviation', (trials, p) => {
    const random = seededRandom(5);
    const draws = Array.from({ length: 20_000 }, () => binomial(trials, p, random));
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
    const deviation = Math.sqrt(trials * p * (1 - p));
    expect(Math.abs(mean - trials * p)).toBeLessThan((4 * deviation) / Math.sqrt(draws.length));
    expect(Math.sqrt(variance) / deviation).toBeWithin(0.97, 1.03);
    expect(draws.every((value) => Number.isInteger(value) && value >= 0 && value <= trials)).toBe(true);
  });

  test('binomial at its edges', () => {
    const random = seededRandom(1);
    expect([
      binomial(0, 0.5, random),
      binomial(9, 0, random),
      binomial(9, 1, random),
      binomial(-1, 0.5, random),
    ]).toEqual([0, 0, 9, 0]);
  });

  test('one seed, one sequence; neighbours part; large seeds count whole', () => {
    const first = (seed: number) => {
      const random = seededRandom(seed);
      return [random(), random(), random()];
    };
    expect(first(7)).toEqual(first(7));
    expect(new Set([0, 1, 2, 2 ** 32, 2 ** 52, 2 ** 52 + 1].map((seed) => first(seed)[0])).size).toBe(6);
    const random = seededRandom(9);
    const values = Array.from({ length: 50_000 }, random);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeWithin(0.495, 0.505);
  });
});

describe('intervals', () => {
  test('hold the known strengths about 95 times of 100, and are the same for the same seed', async () => {
    const known = evenLogits(6, 2);
    let [held, all] = [0, 0];
    for (let seed = 1; seed <= 10; seed++) {
      const intervals = await ratingIntervals(6, madeBattles(known, 3000, seed), seed);
      for (const [player, { logit, low, high }] of intervals.entries()) {
        expect(logit).toBeWithin(low, high);
        held += Number((known[player] ?? 9) >= low && (known[player] ?? 9) <= high);
        all++;
      }
    }
    expect(held / all).toBeWithin(0.87, 1);
    const battles = madeBattles(known, 300, 1);
    expect(await ratingIntervals(6, battles, 4)).toEqual(await ratingIntervals(6, battles, 4));
    expect(await ratingIntervals(6, battles, 4)).not.toEqual(await ratingIntervals(6, battles, 5));
  });

  test('a heavy battle is still one: its weight makes no interval narrower', async () => {
    const battles = madeBattles(evenLogits(4, 1), 400, 2);
    const width = async (weight: number) => {
      const [first] = await ratingIntervals(
        4,
        battles.map((one) => ({ ...one, weight })),
        1,
      );
      return (first?.high ?? 0) - (first?.low ?? 0);
    };
    // Only the virtual draws weigh less beside heavier battles.
    expect((await width(100)) / (await width(1))).toBeWithin(0.95, 1.1);
  });

  test('more battles make them narrower, as the square root', async () => {
    const width = async (total: number) => {
      const [first] = await ratingIntervals(4, madeBattles(evenLogits(4, 1), total, 2), 1);
      return (first?.high ?? 0) - (first?.low ?? 0);
    };
    expect((await width(400)) / (await width(40_000))).toBeWithin(8, 12.5);
  });
});
