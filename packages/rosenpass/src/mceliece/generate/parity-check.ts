import { checkRows, codeLength, errorCount, fieldBits, publicKeyBytes, publicRowBytes } from '../parameters.ts';
import { blockWords, evaluateAt, invertPlanes, multiplyPlanes, type Planes, planesOf } from '../planes.ts';
import { wipe } from '../words.ts';
import { toSystematicForm } from './systematic-form.ts';

const squareWords = checkRows / 32;
const fullWords = codeLength / 32;

/**
 * The first `width` words of the 1248 rows of the parity check matrix: row 13 i + k has bit k of L_j^i / g(L_j) in
 * column j.
 */
function parityCheckRows(support: Planes, inverses: Planes, width: number): Int32Array {
  const matrix = new Int32Array(checkRows * width);
  const powers = inverses.slice(0, width * blockWords);
  for (let i = 0; i < errorCount; i++) {
    for (let word = 0; word < width; word++) {
      for (let k = 0; k < fieldBits; k++) {
        matrix[(fieldBits * i + k) * width + word] = powers[word * blockWords + k] as number;
      }
    }
    multiplyPlanes(powers, powers, support);
  }
  wipe(powers);
  return matrix;
}

/**
 * The public key T of (I | T) for a Goppa polynomial (97 coefficients) and the 4608 elements of a support; undefined
 * when the left square of the matrix is singular, as 71 % are. The square is tried first, without the rest.
 */
export function publicKeyOf(goppa: Uint16Array, elements: Uint16Array): Uint8Array | undefined {
  const support = planesOf(elements);
  const values = evaluateAt(support, goppa);
  const inverses = invertPlanes(values);
  const square = parityCheckRows(support, inverses, squareWords);
  const regular = toSystematicForm(square, squareWords, 'triangle');
  const full = regular ? parityCheckRows(support, inverses, fullWords) : new Int32Array(0);
  const done = regular && toSystematicForm(full, fullWords, 'full');
  const publicKey = done ? new Uint8Array(publicKeyBytes) : undefined;
  if (publicKey !== undefined) {
    const bytes = new Uint8Array(full.buffer);
    for (let row = 0; row < checkRows; row++) {
      const rowEnd = (row + 1) * fullWords * 4;
      publicKey.set(bytes.subarray(rowEnd - publicRowBytes, rowEnd), row * publicRowBytes);
    }
  }
  wipe(support, values, inverses, square, full);
  return publicKey;
}
