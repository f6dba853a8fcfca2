/** The two parties of the official vector, with every random draw replaced by the vector's value. */
import type { ProtocolVersion } from '../effects.ts';
import type { Suite, Suites } from '../hash/suite.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { kyber } from '../steps/kyber.ts';
import { openOwnKey, type PublicKeySource, type StepContext } from '../steps/step-context.ts';
import { officialVectors } from '../testdata/official-vectors.ts';

/** A fresh copy of the vector's value at an index of 5.13. */
export function vectorValue(index: number): Uint8Array {
  const value = officialVectors[index];
  if (value === undefined) throw new Error(`the vector has no entry ${index}`);
  return Uint8Array.from(value);
}

export const publicA = vectorValue(1);
export const publicB = vectorValue(3);
export const fingerprintA = fingerprintOf(publicA);
export const fingerprintB = fingerprintOf(publicB);

const publicKeys: PublicKeySource = {
  get: (fingerprint) =>
    new Map([
      [fingerprintA, publicA],
      [fingerprintB, publicB],
    ]).get(fingerprint),
};

/** The same suites, with every hash they give noted in hex, in order. */
export function recordingSuites(suites: Suites, noted: string[]): Suites {
  const recording = (version: ProtocolVersion): Suite => ({
    ...suites[version],
    hash: (key, data) => {
      const digest = suites[version].hash(key, data);
      noted.push(Buffer.from(digest).toString('hex'));
      return digest;
    },
  });
  return { V02: recording('V02'), V03: recording('V03') };
}

/** The McEliece ciphertext and key that each side draws: to b (by a) and to a (by b). */
export type Drawn = Record<'toA' | 'toB', { ciphertext: Uint8Array; key: Uint8Array }>;

export const drawnInVector: Drawn = {
  toB: { key: vectorValue(18), ciphertext: vectorValue(19) },
  toA: { key: vectorValue(37), ciphertext: vectorValue(38) },
};

/** The worker's side of one party: own key 0 is its key of the vector. */
export function vectorContext(suites: Suites, party: 'a' | 'b', drawn = drawnInVector): StepContext {
  const [publicKey, secret] = party === 'a' ? [publicA, vectorValue(0)] : [publicB, vectorValue(2)];
  const { ciphertext, key } = party === 'a' ? drawn.toB : drawn.toA;
  return {
    suites,
    ownKeys: new Map([[0, openOwnKey(suites, publicKey, secret)]]),
    publicKeys,
    kyber: {
      ...kyber,
      generate: () => ({ publicKey: vectorValue(16), secret: vectorValue(15) }),
      encapsulate: () => ({ ciphertext: vectorValue(35), key: vectorValue(34) }),
    },
    encapsulate: () => ({ ciphertext: ciphertext.slice(), key: key.slice() }),
    random: () => {
      throw new Error('the vector draws nothing else here');
    },
  };
}
