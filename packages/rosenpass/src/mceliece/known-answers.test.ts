import { createHash } from 'node:crypto';
import { expect, test } from 'bun:test';
import { officialVectors } from '../testdata/official-vectors.ts';
import { decapsulate, prepareSecretKey } from './decapsulate.ts';
import { encapsulateError } from './encapsulate.ts';
import { splitSecretKey } from './secret-key.ts';
import { supportOf } from './support.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const entry = (index: number) => officialVectors[index]!;
const [aSecret, aPublic, bSecret, bPublic] = [entry(0), entry(1), entry(2), entry(3)];

/** Bits 48 i + offset, i < 96. */
function everyFortyEighth(offset: number): Uint8Array {
  const vector = new Uint8Array(576);
  for (let i = 0; i < 96; i++) vector[(48 * i + offset) >> 3]! |= 1 << ((48 * i + offset) & 7);
  return vector;
}
const e1 = everyFortyEighth(0);
const e2 = everyFortyEighth(47);

test('the public keys of the official vectors', () => {
  expect(sha256(aPublic)).toBe('b3fc4688fabc1fad35a483abd6883d849b2356680997425be1603558d9805751');
  expect(sha256(bPublic)).toBe('e8f65b5c85ab46101758d0251d8a871343633797809fd20b108026f8c2ec1d4e');
});

test('support and Goppa polynomial of peer a', () => {
  const { g, controlBits } = splitSecretKey(aSecret);
  const support = supportOf(controlBits);
  expect(Array.from(support.subarray(0, 8))).toEqual([5683, 4769, 7305, 4411, 7321, 8041, 3390, 2741]);
  expect(sha256(new Uint8Array(support.buffer))).toBe(
    'f868a000a29ddf6b6a386f957f2f251939d1a281e1ce20a405a83876431f10ba',
  );
  expect([0, 1, 2, 3].map((i) => g[2 * i]! | (g[2 * i + 1]! << 8))).toEqual([422, 5081, 7636, 2174]);
});

test.each([
  {
    name: 'e1 to b, pc188',
    answer: () => encapsulateError(bPublic, e1, 'pc188'),
    ciphertext: 'e4b7c58e4721b62f0ab8a6e020f06923a66faf4f5b5f62d7ce0b96c2aa87566f',
    key: 'ecd5317b79a4130967ec8eabcf7d769095e367f2ad535bb7bf17bfc015df27e0',
    secret: bSecret,
  },
  {
    name: 'e1 to b, r4-156',
    answer: () => encapsulateError(bPublic, e1, 'r4-156'),
    ciphertext: 'a5d7174967d9108b24aaaa9c9443e2e6fcc069293e33b163b6b10262cb8f4d3d',
    key: 'ba2bb749979f37241032b43a443c94e46f58bde90d2355202478bc527012f167',
    secret: bSecret,
  },
  {
    name: 'e2 to a, pc188',
    answer: () => encapsulateError(aPublic, e2, 'pc188'),
    ciphertext: '9e635e475df2e23350faf021460b056552254d5481734ff8f6fb05e2fe1bf653',
    key: '03ca1b924ab24644cccc4a977fd4fc2c773081dc7fdb379d93112b7e3d43c40c',
    secret: aSecret,
  },
])('known answer: $name', ({ answer, ciphertext, key, secret }) => {
  const made = answer();
  expect(sha256(made.ciphertext)).toBe(ciphertext);
  expect(hex(made.key)).toBe(key);
  expect(hex(decapsulate(prepareSecretKey(secret), made.ciphertext))).toBe(key);
});

test('known answer: a changed ciphertext gives the rejection key', () => {
  const { ciphertext } = encapsulateError(bPublic, e1, 'pc188');
  ciphertext[0]! ^= 1;
  expect(hex(decapsulate(prepareSecretKey(bSecret), ciphertext))).toBe(
    '73a1b861b90e0d0596fc2a1931fed4a9f64c89fd4de6507a7f1386159c0bd408',
  );
});

test.each([
  { name: 'InitHello, to b', secret: bSecret, ciphertext: entry(19), key: entry(18) },
  { name: 'RespHello, to a', secret: aSecret, ciphertext: entry(38), key: entry(37) },
])('official vector: $name', ({ secret, ciphertext, key }) => {
  expect(hex(decapsulate(prepareSecretKey(secret), ciphertext))).toBe(hex(key));
});
