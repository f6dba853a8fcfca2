import { codeLength, errorCount, errorVectorBytes, fieldSize, hashBytes } from '../parameters.ts';
import { drawBytes, type RandomSource, readElements } from '../random-source.ts';
import { joinSecretKey, type SecretKeyLayout } from '../secret-key.ts';
import { reverseBits } from '../support.ts';
import { wipe } from '../words.ts';
import { controlBitsOf } from './control-bits.ts';
import { minimalPolynomial } from './goppa-polynomial.ts';
import { publicKeyOf } from './parity-check.ts';
import { sortBy } from './sort-by.ts';

/** Draws before a source of randomness is called broken: the rarest, a key, succeeds with 0.29, so 300 fail with 10^-44. */
const drawsMax = 300;

/** @throws Error after 300 draws that gave nothing. */
function drawUntil<T>(draw: () => T | undefined): T {
  for (let draws = 0; draws < drawsMax; draws++) {
    const drawn = draw();
    if (drawn !== undefined) return drawn;
  }
  throw new Error('the source of randomness gives no key');
}

function drawGoppaPolynomial(random: RandomSource): Uint16Array | undefined {
  const bytes = drawBytes(random, 2 * errorCount);
  const f = readElements(bytes);
  const goppa = minimalPolynomial(f);
  wipe(bytes, f);
  return goppa;
}

/**
 * The order that sorts 8192 random numbers; undefined when two are equal, as the order would not be uniform then. They
 * have 31 bits, which is what `sortBy` takes.
 */
function drawPermutation(random: RandomSource): Int32Array | undefined {
  const bytes = drawBytes(random, 4 * fieldSize);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const keys = Int32Array.from({ length: fieldSize }, (_, i) => view.getUint32(4 * i, true) >>> 1);
  const order = Int32Array.from({ length: fieldSize }, (_, i) => i);
  sortBy(keys, order);
  const equal = keys.some((key, i) => i > 0 && key === keys[i - 1]);
  wipe(bytes, keys);
  return equal ? undefined : order;
}

function drawCandidate(random: RandomSource, layout: SecretKeyLayout) {
  const goppa = drawUntil(() => drawGoppaPolynomial(random));
  const permutation = drawUntil(() => drawPermutation(random));
  const elements = Uint16Array.from({ length: codeLength }, (_, j) => reverseBits(permutation[j] as number));
  const publicKey = publicKeyOf(goppa, elements);
  wipe(elements);
  if (publicKey === undefined) {
    wipe(goppa, permutation);
    return undefined;
  }
  const s = drawBytes(random, errorVectorBytes);
  const seed = drawBytes(random, hashBytes);
  const controlBits = controlBitsOf(permutation);
  const g = new Uint8Array(goppa.buffer, 0, 2 * errorCount);
  const secretKey = joinSecretKey({ s, g, controlBits }, layout, seed);
  wipe(goppa, permutation, s, seed, controlBits);
  return { publicKey, secretKey };
}

/**
 * A fresh key pair: public key of 524,160 bytes, secret key of 13,568 (`pc`) or 13,608 (`r4`). Blocks for some hundred
 * milliseconds: for a worker.
 * @throws Error when the source of randomness never gives a key.
 */
export function generateKeyPair(
  random: RandomSource,
  layout: SecretKeyLayout,
): { publicKey: Uint8Array; secretKey: Uint8Array } {
  return drawUntil(() => drawCandidate(random, layout));
}
