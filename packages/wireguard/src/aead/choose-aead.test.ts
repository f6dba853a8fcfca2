import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type AeadName, type AeadProvider, nonceBytes, passesKnownAnswers, tagBytes } from './aead-provider.ts';
import { type AeadOpeners, chooseAead } from './choose-aead.ts';
import { libcryptoSymbols, openLibcryptoAead } from './libcrypto-aead.ts';
import { openSodiumAead } from './sodium-aead.ts';

const missing: Opener = () => {
  throw new Error('no such library');
};
type Opener = () => AeadProvider;
const wasm = await openSodiumAead();
/** Encrypts rightly and takes every forgery. */
const credulous: Opener = () => ({ ...wasm, name: 'libcrypto', open: () => true });

const hasLibcrypto = await chooseAead('libcrypto').then(
  () => true,
  () => false,
);
const openers: [AeadName, () => AeadProvider | Promise<AeadProvider>][] = [
  ['wasm', openSodiumAead],
  ...(hasLibcrypto ? [['libcrypto', openLibcryptoAead] as [AeadName, () => AeadProvider]] : []),
];
test.skipIf(!hasLibcrypto)('libcrypto is looked at too (needs libssl3)', () => {
  expect(openLibcryptoAead().name).toBe('libcrypto');
});

describe.each(openers)('%s', (name, open) => {
  test('gives the answers of RFC 8439', async () => {
    const aead = await open();
    expect(aead.name).toBe(name);
    expect(passesKnownAnswers(aead)).toBe(true);
  });

  test('writes nothing outside of its region, and agrees with the others', async () => {
    const [aead, other] = [await open(), wasm];
    const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
    const [key, nonce] = [bytes(32, 32), bytes(nonceBytes, nonceBytes)];
    const property = fc.property(
      key,
      nonce,
      bytes(0, 1500),
      bytes(0, 40),
      fc.nat(70),
      (key, nonce, plain, ad, start) => {
        const buffer = new Uint8Array(start + plain.length + tagBytes + 9).fill(0xee);
        buffer.set(plain, start);
        const expected = buffer.slice();
        other.seal(key, nonce, expected, start, plain.length, ad);
        aead.seal(key, nonce, buffer, start, plain.length, ad);
        expect(buffer).toEqual(expected);
        expect(aead.open(key, nonce, buffer, start, plain.length + tagBytes, ad)).toBe(true);
        expect(buffer.subarray(start, start + plain.length)).toEqual(plain);
        expect(buffer.subarray(0, start).every((byte) => byte === 0xee)).toBe(true);
        expect(buffer.subarray(-9).every((byte) => byte === 0xee)).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  test('refuses a forgery: any one bit of ciphertext or tag', async () => {
    const aead = await open();
    const [key, nonce] = [new Uint8Array(32).fill(1), new Uint8Array(nonceBytes)];
    const sealed = new Uint8Array(32 + tagBytes);
    aead.seal(key, nonce, sealed, 0, 32);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const forged = sealed.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(aead.open(key, nonce, forged, 0, forged.length)).toBe(false);
    }
  });

  test('refuses a region that is not inside the buffer', async () => {
    const aead = await open();
    const [key, nonce, buffer] = [new Uint8Array(32), new Uint8Array(nonceBytes), new Uint8Array(64)];
    const regions: [number, number][] = [
      [0, 49],
      [-1, 10],
      [64, 0],
      [60, 1],
      [0, -20],
      [0.5, 3],
      [0, Number.NaN],
    ];
    for (const [start, length] of regions) {
      expect(() => aead.seal(key, nonce, buffer, start, length)).toThrow(RangeError);
      expect(() => aead.open(key, nonce, buffer, start, length + tagBytes)).toThrow(RangeError);
    }
    expect(() => aead.open(key, nonce, buffer, 0, tagBytes - 1)).toThrow(RangeError);
    expect(() => aead.seal(key.subarray(1), nonce, buffer, 0, 1)).toThrow(RangeError);
    expect(() => aead.seal(key, nonce.subarray(1), buffer, 0, 1)).toThrow(RangeError);
  });
});

test('the first that passes is taken, with the reasons against those before it', async () => {
  const choice = await chooseAead('auto', { libcrypto: missing, wasm: openSodiumAead });
  expect(choice.aead.name).toBe('wasm');
  expect(choice.rejected).toEqual([{ name: 'libcrypto', reason: 'no such library' }]);
  const wrong = await chooseAead('auto', { libcrypto: credulous, wasm: openSodiumAead });
  expect(wrong.rejected).toEqual([{ name: 'libcrypto', reason: 'gave a wrong answer to a test vector of RFC 8439' }]);
});

test('a pinned one is the only candidate', async () => {
  expect((await chooseAead('wasm')).aead.name).toBe('wasm');
  const from: AeadOpeners = { libcrypto: credulous, wasm: missing };
  expect(await thrower(chooseAead('libcrypto', from))).toThrow('libcrypto: gave a wrong answer');
  expect(await thrower(chooseAead('wasm', from))).toThrow('no ChaCha20-Poly1305 here: wasm: no such library');
});

test('of libcrypto only ChaCha20-Poly1305 is opened', () => {
  expect(Object.keys(libcryptoSymbols).toSorted()).toEqual([
    'EVP_CIPHER_CTX_ctrl',
    'EVP_CIPHER_CTX_new',
    'EVP_DecryptFinal_ex',
    'EVP_DecryptInit_ex',
    'EVP_DecryptUpdate',
    'EVP_EncryptFinal_ex',
    'EVP_EncryptInit_ex',
    'EVP_EncryptUpdate',
    'EVP_chacha20_poly1305',
  ]);
});
