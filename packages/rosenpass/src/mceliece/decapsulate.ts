import { locatorOf } from './berlekamp-massey.ts';
import { confirmPrefix } from './encapsulate.ts';
import { ciphertextBytes, errorCount, errorVectorBytes, syndromeBytes } from './parameters.ts';
import { blockWords, evaluateAt, invertPlanes, multiplyPlanes, type Planes, planesOf } from './planes.ts';
import { readElements } from './random-source.ts';
import { RosenpassKeyInvalid } from './rosenpass-key-invalid.ts';
import { splitSecretKey } from './secret-key.ts';
import { shake256 } from './shake256.ts';
import { supportOf } from './support.ts';
import { powerSums } from './syndromes.ts';
import { copyToWords, countBits, equalBytesMask, equalMask, wipe } from './words.ts';

/*
 * Decoding (spec tunnel.md 5.2, R10). Every step runs through all places with masks: no branch and no index depends on
 * the key, the error vector or whether the ciphertext is good. That is what source text can do; a JIT compiler
 * guarantees no constant time.
 */

/** What decoding needs of a secret key, worked out once: about 25 kB. Disposing zeroes it. */
export type PreparedSecretKey = Disposable & {
  /** L_i. */
  readonly support: Planes;
  /** L_i². */
  readonly supportSquared: Planes;
  /** g(L_i)^-2. */
  readonly weights: Planes;
  readonly s: Uint8Array;
};

/**
 * Reads a secret key of either layout; takes about 5 ms. The key is copied: the caller may zero its bytes.
 * @throws RosenpassKeyInvalid for a length that is neither 13,568 nor 13,608.
 */
export function prepareSecretKey(secret: Uint8Array): PreparedSecretKey {
  const parts = splitSecretKey(secret);
  const elements = supportOf(parts.controlBits);
  const support = planesOf(elements);
  const goppa = new Uint16Array(errorCount + 1);
  goppa.set(readElements(parts.g));
  goppa[errorCount] = 1;
  const values = evaluateAt(support, goppa);
  const weights = invertPlanes(values);
  multiplyPlanes(weights, weights, weights);
  const supportSquared = new Int32Array(support.length);
  multiplyPlanes(supportSquared, support, support);
  wipe(elements, goppa, values);
  const s = parts.s.slice();
  return {
    support,
    supportSquared,
    weights,
    s,
    [Symbol.dispose]() {
      wipe(support, supportSquared, weights, s);
    },
  };
}

/** One bit per place of the support where the polynomial is zero. */
function rootsOf(locator: Uint16Array, support: Planes): Int32Array {
  const values = evaluateAt(support, locator);
  const roots = new Int32Array(values.length / blockWords);
  for (let block = 0; block < roots.length; block++) {
    let any = 0;
    for (let k = 0; k < blockWords; k++) any |= values[block * blockWords + k] as number;
    roots[block] = ~any;
  }
  wipe(values);
  return roots;
}

/**
 * Finds the error vector of a syndrome, as 144 words, and a mask: all bits set when it has weight 96 and this syndrome.
 *
 * Two words have the same syndrome when their sum v is in the code. The check reads the even power sums only:
 * Σ v_i · L_i^2j / g(L_i)^2 is the square of Σ v_i · L_i^j / g(L_i), and these 96 define the code.
 */
function decode(key: PreparedSecretKey, received: Int32Array): { error: Int32Array; good: number } {
  const syndromes = powerSums(received, key.weights, key.support, 2 * errorCount);
  const locator = locatorOf(syndromes);
  const error = rootsOf(locator, key.support);
  let weight = 0;
  for (const word of error) weight += countBits(word);
  const sum = error.map((word, at) => word ^ (received[at] ?? 0));
  let wrong = 0;
  const checks = powerSums(sum, key.weights, key.supportSquared, errorCount);
  for (const check of checks) wrong |= check;
  wipe(syndromes, locator, sum, checks);
  return { error, good: equalMask(weight, errorCount) & equalMask(wrong, 0) };
}

/**
 * The 32-byte key of a ciphertext; its length tells the encoding (188: pc188, 156: r4-156). A ciphertext that nobody
 * made for this key gives a key that only the secret determines, and takes the same steps.
 * @throws RosenpassKeyInvalid for any other length.
 */
export function decapsulate(prepared: PreparedSecretKey, ciphertext: Uint8Array): Uint8Array {
  const { pc188, 'r4-156': r4 } = ciphertextBytes;
  if (ciphertext.length !== pc188 && ciphertext.length !== r4) {
    throw new RosenpassKeyInvalid('ciphertext', ciphertext.length, pc188, r4);
  }
  const received = copyToWords(ciphertext.subarray(0, syndromeBytes));
  const { error, good } = decode(prepared, received);
  const errorVector = new Uint8Array(error.buffer);
  const confirmed =
    ciphertext.length === pc188
      ? equalBytesMask(shake256(confirmPrefix, errorVector), ciphertext.subarray(syndromeBytes))
      : -1;
  const accepted = good & confirmed;
  const preimage = new Uint8Array(1 + errorVectorBytes);
  preimage[0] = accepted & 1;
  for (let i = 0; i < errorVectorBytes; i++) {
    preimage[1 + i] = ((errorVector[i] as number) & accepted) | ((prepared.s[i] as number) & ~accepted);
  }
  const key = shake256(preimage, ciphertext);
  wipe(error, preimage);
  return key;
}
