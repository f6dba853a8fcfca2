import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Battle, bradleyTerry } from './bradley-terry.ts';
import { leverage } from './leverage.ts';
import { factorSymmetric, solveFactored } from './solve-symmetric.ts';
import { evenLogits, madeBattles } from './testing/made-battles.ts';

test('a close lead hangs on few battles of many', () => {
  // Two players that are all but equal, and others far behind.
  const battles = madeBattles([1, 1, -1, -1], 50_000, 8);
  const held = leverage(4, battles);
  expect(held?.of).toBe(49_998);
  expect([0, 1]).toContain(held?.overtaker ?? -1);
  expect(held?.leader).toBe(1 - (held?.overtaker ?? 0));
  expect(held?.battles).toBeLessThan(500);
});

test('a wide lead hangs on many', () => {
  const few = leverage(3, madeBattles([0.1, 0, -0.1], 3000, 1))?.battles ?? 0;
  const many = leverage(3, madeBattles([1, 0, -1], 3000, 1))?.battles ?? 0;
  expect(many).toBeGreaterThan(5 * few);
});

test('what weighs nothing holds no lead, and half a weight half of one', () => {
  const [light, heavy] = [
    { a: 0, b: 1, winsA: 0, winsB: 40, ties: 0, weight: 0.1 },
    { a: 0, b: 1, winsA: 10, winsB: 0, ties: 0, weight: 1 },
  ];
  const held = leverage(2, [light, heavy]);
  // 10 against 4: after 7 of the heavy ones the light ones lead. All are whole battles.
  expect(held).toEqual({ battles: 7, of: 50, leader: 0, overtaker: 1 });
});

test('alone there is no lead, and where nothing was played none to turn', () => {
  expect(leverage(0, [])).toBeNull();
  expect(leverage(1, [])).toBeNull();
  expect(leverage(2, [])).toEqual({ battles: null, of: 0, leader: 0, overtaker: null });
});

/** The fewest by trying all sets of one to three battles. */
function fewestByTrying(players: number, battles: readonly Battle[]): number | null {
  const logitsOf = (rows: readonly Battle[]) => bradleyTerry(players, rows).logits;
  const plain = logitsOf(battles);
  const leader = plain.indexOf(Math.max(...plain));
  const turned = (logits: readonly number[]) => Math.max(...logits) > (logits[leader] ?? 0) + 1e-6;
  let sets: Battle[][] = [battles.map((battle) => ({ ...battle }))];
  for (let many = 1; many <= 3; many++) {
    sets = sets.flatMap((rows) =>
      rows.flatMap((row, at) =>
        (['winsA', 'winsB', 'ties'] as const)
          .filter((kind) => row[kind] > 0)
          .map((kind) => rows.with(at, { ...row, [kind]: row[kind] - 1 })),
      ),
    );
    if (sets.some((rows) => turned(logitsOf(rows)))) return many;
  }
  return null;
}

test('never fewer than there are, and seldom more', () => {
  let [exact, all] = [0, 0];
  const pair = fc.record({ winsA: fc.nat(6), winsB: fc.nat(6), ties: fc.nat(1) });
  fc.assert(
    fc.property(pair, pair, pair, (one, two, three) => {
      const battles = [
        { a: 0, b: 1, ...one },
        { a: 0, b: 2, ...two },
        { a: 1, b: 2, ...three },
      ];
      const fewest = fewestByTrying(3, battles);
      const found = leverage(3, battles)?.battles ?? null;
      if (fewest === null) return;
      all++;
      exact += Number(found === fewest);
      if (found !== null) expect(found).toBeGreaterThanOrEqual(fewest);
    }),
    { numRuns: 60, seed: 4 },
  );
  expect(exact / all).toBeGreaterThan(0.75);
});

test('the solver solves, and refuses what has no solution', () => {
  const matrix = Float64Array.of(4, 2, 1, 2, 5, 3, 1, 3, 6);
  const x = solveFactored(factorSymmetric(matrix.slice(), 3), 3, Float64Array.of(1, 2, 3));
  for (let row = 0; row < 3; row++) {
    const left = [0, 1, 2].reduce((sum, column) => sum + (matrix[row * 3 + column] ?? 0) * (x[column] ?? 0), 0);
    expect(left).toBeCloseTo(row + 1, 12);
  }
  expect(() => factorSymmetric(Float64Array.of(1, 2, 2, 1), 2)).toThrow(RangeError);
  expect(evenLogits(1, 3)).toEqual([-1.5]);
});
