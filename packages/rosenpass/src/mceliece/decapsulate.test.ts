import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { officialVectors } from '../testdata/official-vectors.ts';
import { decapsulate, prepareSecretKey } from './decapsulate.ts';
import { encapsulate, encapsulateError } from './encapsulate.ts';
import { joinSecretKey, splitSecretKey } from './secret-key.ts';
import { shake256 } from './shake256.ts';

const [secret, publicKey] = [new Uint8Array(officialVectors[0]!), new Uint8Array(officialVectors[1]!)];
const prepared = prepareSecretKey(secret);
const encodings = ['pc188', 'r4-156'] as const;
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
const rejectionKey = (ciphertext: Uint8Array) => shake256(Uint8Array.of(0), splitSecretKey(secret).s, ciphertext);

test.each(encodings)('%s: what encapsulate makes, decapsulate opens', (encoding) => {
  for (let run = 0; run < 20; run++) {
    const { ciphertext, key } = encapsulate(publicKey, encoding, random);
    expect(ciphertext.length).toBe(encoding === 'pc188' ? 188 : 156);
    expect(decapsulate(prepared, ciphertext)).toEqual(key);
  }
});

test('a public key at any offset of a buffer', () => {
  const shifted = new Uint8Array(publicKey.length + 3).subarray(3);
  shifted.set(publicKey);
  const { ciphertext, key } = encapsulate(shifted, 'pc188', random);
  expect(decapsulate(prepared, ciphertext)).toEqual(key);
});

test(
  '1000 changed or made-up ciphertexts give the rejection key of their bytes, never a throw',
  { timeout: 180_000 },
  () => {
    const made = encodings.map((encoding) => encapsulate(publicKey, encoding, random).ciphertext);
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, place, change) => {
        const ciphertext = made[which % 2]!.slice();
        // r4-156 has no hash: two changed bits may be another vector of weight 96, one bit never is.
        ciphertext[place % ciphertext.length]! ^= which % 2 === 0 ? change : 1 << (change & 7);
        expect(decapsulate(prepared, ciphertext)).toEqual(rejectionKey(ciphertext));
      }),
      { numRuns: 700 },
    );
    for (let run = 0; run < 150; run++) {
      for (const length of [188, 156]) {
        const noise = random(length);
        expect(decapsulate(prepared, noise)).toEqual(rejectionKey(noise));
      }
    }
  },
);

test('an error moved in the ciphertext: its own key in r4-156, refused by the hash in pc188', () => {
  const error = new Uint8Array(576);
  for (let i = 0; i < 96; i++) error[(48 * i) >> 3]! |= 1 << ((48 * i) & 7);
  const moved = error.slice();
  moved[0]! ^= 0b11;
  for (const encoding of encodings) {
    const { ciphertext } = encapsulateError(publicKey, error, encoding);
    ciphertext[0]! ^= 0b11;
    expect(decapsulate(prepared, ciphertext)).toEqual(
      encoding === 'pc188' ? rejectionKey(ciphertext) : encapsulateError(publicKey, moved, encoding).key,
    );
  }
});

test.each([0, 1, 95, 97, 4608])('an error vector of weight %d is rejected', (weight) => {
  const error = new Uint8Array(576);
  for (let i = 0; i < weight; i++) error[i >> 3]! |= 1 << (i & 7);
  for (const encoding of encodings) {
    const { ciphertext } = encapsulateError(publicKey, error, encoding);
    expect(decapsulate(prepared, ciphertext)).toEqual(rejectionKey(ciphertext));
  }
});

test('both layouts of a secret give the same keys, also after the bytes they came in were zeroed', () => {
  const pc = joinSecretKey(splitSecretKey(secret), 'pc', random(32));
  const other = prepareSecretKey(pc);
  pc.fill(0);
  const { ciphertext, key } = encapsulate(publicKey, 'r4-156', random);
  expect(decapsulate(other, ciphertext)).toEqual(key);
  ciphertext[7]! ^= 1;
  expect(decapsulate(other, ciphertext)).toEqual(rejectionKey(ciphertext));
});

test('secrets of random bytes decapsulate to something', () => {
  for (const length of [13_568, 13_608])
    expect(decapsulate(prepareSecretKey(random(length)), random(156)).length).toBe(32);
});

test('other lengths are refused by name', () => {
  for (const length of [0, 1, 155, 157, 187, 189]) {
    expect(() => decapsulate(prepared, new Uint8Array(length))).toThrow(
      `ciphertext: found ${length} bytes, expected 188 or 156`,
    );
  }
  for (const length of [0, 524_159, 524_161]) {
    expect(() => encapsulate(new Uint8Array(length), 'pc188', random)).toThrow(
      `public key: found ${length} bytes, expected 524160`,
    );
  }
  expect(() => encapsulateError(publicKey, new Uint8Array(575), 'pc188')).toThrow(RangeError);
});

test('a disposed key holds nothing', () => {
  const key = prepareSecretKey(secret);
  key[Symbol.dispose]();
  for (const part of [key.s, key.support, key.supportSquared, key.weights]) {
    expect(part.every((word) => word === 0)).toBe(true);
  }
});
