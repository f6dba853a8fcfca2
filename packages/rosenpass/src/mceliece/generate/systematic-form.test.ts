import { expect, test } from 'bun:test';
import { toSystematicForm } from './systematic-form.ts';

const rows = 1248;
const bitAt = (matrix: Int32Array, width: number, row: number, column: number) =>
  (matrix[row * width + (column >> 5)]! >>> (column & 31)) & 1;
const randomMatrix = (width: number) => crypto.getRandomValues(new Int32Array(rows * width));

/** A random matrix with a regular left square: upper triangular with 1 on the diagonal, times a lower one. */
function regularMatrix(width: number): Int32Array {
  const matrix = randomMatrix(width);
  const lower = randomMatrix(39);
  for (let row = 0; row < rows; row++) {
    const at = row * width + (row >> 5);
    matrix.fill(0, row * width, at);
    matrix[at] = (matrix[at]! & (-1 << (row & 31))) | (1 << (row & 31));
  }
  for (let row = rows - 1; row > 0; row--) {
    for (let other = 0; other < row; other++) {
      if (bitAt(lower, 39, row, other) === 0) continue;
      for (let word = 0; word < width; word++) matrix[row * width + word]! ^= matrix[other * width + word]!;
    }
  }
  return matrix;
}

test('the left square becomes the identity, the row space stays', () => {
  const width = 41;
  const before = regularMatrix(width);
  const after = before.slice();
  expect(toSystematicForm(after, width, 'full')).toBe(true);
  for (let row = 0; row < rows; row++) {
    for (let word = 0; word < 39; word++) {
      const one = row >> 5 === word ? 1 << (row & 31) : 0;
      if (after[row * width + word] !== one) throw new Error(`row ${row}, word ${word}`);
    }
  }
  // Each old row is the sum of the new ones that its left part names.
  for (let row = 0; row < rows; row += 97) {
    const sum = new Int32Array(width);
    for (let column = 0; column < rows; column++) {
      if (bitAt(before, width, row, column) === 0) continue;
      for (let word = 0; word < width; word++) sum[word]! ^= after[column * width + word]!;
    }
    expect(sum).toEqual(before.slice(row * width, (row + 1) * width));
  }
});

test('both extents agree on what is singular', () => {
  const regular = regularMatrix(39);
  const doubled = regular.slice();
  doubled.copyWithin(1000 * 39, 5 * 39, 6 * 39);
  const empty = regular.slice();
  for (let row = 0; row < rows; row++) empty[row * 39 + 20]! &= ~(1 << 9);
  for (const extent of ['triangle', 'full'] as const) {
    expect(toSystematicForm(regular.slice(), 39, extent)).toBe(true);
    expect(toSystematicForm(doubled.slice(), 39, extent)).toBe(false);
    expect(toSystematicForm(empty.slice(), 39, extent)).toBe(false);
  }
});
