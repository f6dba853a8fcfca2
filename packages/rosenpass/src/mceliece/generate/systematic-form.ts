import { checkRows } from '../parameters.ts';
import { bitMask } from '../words.ts';

/** Columns cleared at once: one word. */
const blockColumns = 32;
/**
 * Rows below a block in which its pivots are searched. A pivot that is in none of 64 random rows, but further down, has
 * probability 2^-64; near the end all rows are searched.
 */
const searchRows = 64;
/** Pivot rows that one pass over a row adds to it. */
const passRows = 8;

/** Adds `words` words of one row to another where the mask is set; both places are of their first word. */
function addMasked(matrix: Int32Array, to: number, from: number, words: number, mask: number): void {
  for (let word = 0; word < words; word++) {
    matrix[to + word] = (matrix[to + word] as number) ^ ((matrix[from + word] as number) & mask);
  }
}

/**
 * Gives rows first…first+31 the identity in the columns of `block`, and clears these columns in the rows up to `end`.
 * False when a pivot is missing.
 */
function pivotBlock(matrix: Int32Array, width: number, block: number, end: number): boolean {
  const first = block * blockColumns;
  const words = width - block;
  for (let column = 0; column < blockColumns; column++) {
    const pivot = (first + column) * width + block;
    for (let row = first + column + 1; row < end; row++) {
      const other = row * width + block;
      const missing = ~bitMask(matrix[pivot] as number, column) & bitMask(matrix[other] as number, column);
      addMasked(matrix, pivot, other, words, missing);
    }
    if (bitMask(matrix[pivot] as number, column) === 0) return false;
    for (let row = first; row < end; row++) {
      const other = row * width + block;
      if (other !== pivot) addMasked(matrix, other, pivot, words, bitMask(matrix[other] as number, column));
    }
  }
  return true;
}

/** Clears the columns of `block` in the rows from…end - 1 by adding its 32 pivot rows where they have a bit. */
function clearBlock(matrix: Int32Array, width: number, block: number, from: number, end: number): void {
  const words = width - block;
  for (let row = from; row < end; row++) {
    const at = row * width + block;
    const bits = matrix[at] as number;
    for (let column = 0; column < blockColumns; column += passRows) {
      addEight(matrix, at, (block * blockColumns + column) * width + block, width, words, bits >>> column);
    }
  }
}

/** Adds eight rows, one after another from `p0`, where the low eight bits are set. */
function addEight(matrix: Int32Array, at: number, p0: number, width: number, words: number, bits: number): void {
  const m0 = bitMask(bits, 0);
  const m1 = bitMask(bits, 1);
  const m2 = bitMask(bits, 2);
  const m3 = bitMask(bits, 3);
  const m4 = bitMask(bits, 4);
  const m5 = bitMask(bits, 5);
  const m6 = bitMask(bits, 6);
  const m7 = bitMask(bits, 7);
  const p1 = p0 + width;
  const p2 = p1 + width;
  const p3 = p2 + width;
  const p4 = p3 + width;
  const p5 = p4 + width;
  const p6 = p5 + width;
  const p7 = p6 + width;
  for (let word = 0; word < words; word++) {
    matrix[at + word] =
      (matrix[at + word] as number) ^
      ((matrix[p0 + word] as number) & m0) ^
      ((matrix[p1 + word] as number) & m1) ^
      ((matrix[p2 + word] as number) & m2) ^
      ((matrix[p3 + word] as number) & m3) ^
      ((matrix[p4 + word] as number) & m4) ^
      ((matrix[p5 + word] as number) & m5) ^
      ((matrix[p6 + word] as number) & m6) ^
      ((matrix[p7 + word] as number) & m7);
  }
}

/**
 * Eliminates the left 1248 columns of a matrix of 1248 rows with `width` words each, in place; false when they are
 * singular, the matrix is then of no use. `triangle` clears below the diagonal only: enough to know.
 *
 * Which candidate fails shows in time; it is thrown away and tells nothing about the next.
 */
export function toSystematicForm(matrix: Int32Array, width: number, extent: 'triangle' | 'full'): boolean {
  for (let block = 0; block < checkRows / blockColumns; block++) {
    const first = block * blockColumns;
    const end = Math.min(first + blockColumns + searchRows, checkRows);
    if (!pivotBlock(matrix, width, block, end)) return false;
    clearBlock(matrix, width, block, end, checkRows);
    if (extent === 'full') clearBlock(matrix, width, block, 0, first);
  }
  return true;
}
