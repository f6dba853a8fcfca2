import { invert, productOf, reduce } from '../field.ts';
import { errorCount, fieldBits } from '../parameters.ts';
import { blockWords, multiplyBlock, type Planes } from '../planes.ts';
import { bitMask, equalMask, wipe } from '../words.ts';

const rowBlocks = Math.ceil((errorCount + 1) / 32);
const rowWords = rowBlocks * blockWords;

/** y^96 = y^10 + y^9 + y^6 + 1: the terms below. */
const modulus = [0, 6, 9, 10] as const;

/** a · b in GF(2^13)[y] modulo y^96 + y^10 + y^9 + y^6 + 1; 96 coefficients each. */
function multiplyPolynomials(a: Uint16Array, b: Uint16Array): Uint16Array {
  const product = new Int32Array(2 * errorCount - 1);
  for (let i = 0; i < errorCount; i++) {
    const factor = a[i] as number;
    for (let j = 0; j < errorCount; j++) {
      product[i + j] = (product[i + j] as number) ^ productOf(factor, b[j] as number);
    }
  }
  for (let at = product.length - 1; at >= errorCount; at--) {
    const carry = product[at] as number;
    for (const term of modulus) product[at - errorCount + term] = (product[at - errorCount + term] as number) ^ carry;
  }
  const reduced = Uint16Array.from({ length: errorCount }, (_, i) => reduce(product[i] as number));
  wipe(product);
  return reduced;
}

/** 96 equations with 97 columns: coefficient i of 1, f, … f^96, each row sliced over the powers in 4 blocks. */
class PowerSystem {
  readonly #rows: Planes = new Int32Array(errorCount * rowWords);
  readonly #factor: Planes = new Int32Array(blockWords);
  readonly #term: Planes = new Int32Array(blockWords);

  constructor(f: Uint16Array) {
    let power: Uint16Array = new Uint16Array(errorCount);
    power[0] = 1;
    for (let column = 0; column <= errorCount; column++) {
      for (let row = 0; row < errorCount; row++) this.#put(row, column, power[row] as number);
      const next = multiplyPolynomials(power, f);
      wipe(power);
      power = next;
    }
    wipe(power);
  }

  /** Sets an element that is still zero. */
  #put(row: number, column: number, element: number): void {
    const at = row * rowWords + (column >> 5) * blockWords;
    for (let k = 0; k < fieldBits; k++) {
      this.#rows[at + k] = (this.#rows[at + k] as number) | (((element >> k) & 1) << (column & 31));
    }
  }

  element(row: number, column: number): number {
    const at = row * rowWords + (column >> 5) * blockWords;
    let element = 0;
    for (let k = 0; k < fieldBits; k++) {
      element |= (((this.#rows[at + k] as number) >>> (column & 31)) & 1) << k;
    }
    return element;
  }

  /** Adds factor · row `from` to row `to`. */
  addRow(to: number, from: number, factor: number): void {
    for (let k = 0; k < fieldBits; k++) this.#factor[k] = bitMask(factor, k);
    for (let block = 0; block < rowWords; block += blockWords) {
      multiplyBlock(this.#term, 0, this.#rows, from * rowWords + block, this.#factor, 0);
      const at = to * rowWords + block;
      for (let k = 0; k < blockWords; k++) {
        this.#rows[at + k] = (this.#rows[at + k] as number) ^ (this.#term[k] as number);
      }
    }
  }

  wipe(): void {
    wipe(this.#rows, this.#factor, this.#term);
  }
}

/** Gaussian elimination; false when a pivot is missing. */
function solve(system: PowerSystem): boolean {
  for (let pivot = 0; pivot < errorCount; pivot++) {
    for (let row = pivot + 1; row < errorCount; row++) {
      system.addRow(pivot, row, equalMask(system.element(pivot, pivot), 0) & 1);
    }
    const leading = system.element(pivot, pivot);
    if (leading === 0) return false;
    // Row = row + (1/leading - 1) · row: its leading element becomes 1.
    system.addRow(pivot, pivot, invert(leading) ^ 1);
    for (let row = 0; row < errorCount; row++) {
      if (row !== pivot) system.addRow(row, pivot, system.element(row, pivot));
    }
  }
  return true;
}

/**
 * Minimal polynomial over GF(2^13) of an element f of GF(2^13)[y] / (y^96 + y^10 + y^9 + y^6 + 1), given by its 96
 * coefficients: 97 coefficients, low first, the last one 1; undefined when its degree is less than 96. It solves
 * g_0 + g_1 f + … = f^96.
 */
export function minimalPolynomial(f: Uint16Array): Uint16Array | undefined {
  const system = new PowerSystem(f);
  const polynomial = solve(system)
    ? Uint16Array.from({ length: errorCount + 1 }, (_, i) => (i < errorCount ? system.element(i, errorCount) : 1))
    : undefined;
  system.wipe();
  return polynomial;
}
