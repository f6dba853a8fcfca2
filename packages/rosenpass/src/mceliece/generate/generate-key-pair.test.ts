import { createHash } from 'node:crypto';
import { expect, test } from 'bun:test';
import { officialVectors } from '../../testdata/official-vectors.ts';
import { decapsulate, prepareSecretKey } from '../decapsulate.ts';
import { encapsulate } from '../encapsulate.ts';
import { readElements } from '../random-source.ts';
import { splitSecretKey } from '../secret-key.ts';
import { supportOf } from '../support.ts';
import { generateKeyPair } from './generate-key-pair.ts';
import { publicKeyOf } from './parity-check.ts';

/** Keys of each layout (A2 asks for 200 in all). */
const keys = Number(process.env['LABMESH_KEYS'] ?? 1);
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

test.each([
  ['pc', 13_568],
  ['r4', 13_608],
] as const)('A2: a fresh pair in layout %s works with both encodings', (layout, length) => {
  for (let made = 0; made < keys; made++) {
    const { publicKey, secretKey } = generateKeyPair(random, layout);
    expect([publicKey.length, secretKey.length]).toEqual([524_160, length]);
    using key = prepareSecretKey(secretKey);
    for (const encoding of ['pc188', 'r4-156'] as const) {
      const sent = encapsulate(publicKey, encoding, random);
      expect(decapsulate(key, sent.ciphertext)).toEqual(sent.key);
    }
  }
});

test('the parts are random, not left at zero', () => {
  const { s, g, controlBits } = splitSecretKey(generateKeyPair(random, 'r4').secretKey);
  for (const part of [s, g, controlBits]) {
    const ones = part.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    expect(ones / (part.length * 8)).toBeGreaterThan(0.3);
    expect(ones / (part.length * 8)).toBeLessThan(0.6);
  }
});

test.each([
  ['a', 0],
  ['b', 2],
] as const)('the public key of peer %s follows from its secret', (_, index) => {
  const { g, controlBits } = splitSecretKey(officialVectors[index]!);
  const goppa = Uint16Array.of(...readElements(g), 1);
  const publicKey = publicKeyOf(goppa, supportOf(controlBits))!;
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(sha256(publicKey)).toBe(sha256(officialVectors[index + 1]!));
});

test('a broken source of randomness is named, not waited for', () => {
  expect(() => generateKeyPair((bytes) => new Uint8Array(bytes), 'pc')).toThrow('gives no key');
  expect(() => generateKeyPair((bytes) => new Uint8Array(bytes + 1), 'pc')).toThrow(RangeError);
});
