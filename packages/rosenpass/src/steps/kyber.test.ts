import { createHash } from 'node:crypto';
import { describe, expect, test } from 'bun:test';
import { ml_kem512 } from '@noble/post-quantum/ml-kem.js';
import { vectorValue } from '../testing/vector-party.ts';
import { kyber } from './kyber.ts';

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

describe('Kyber512 of round 3', () => {
  test('opens the ciphertext of the official vector', () => {
    expect(kyber.decapsulate(vectorValue(15), vectorValue(35))).toEqual(vectorValue(34));
  });

  test('both sides have one key, which is not that of ML-KEM', () => {
    const { publicKey, secret } = kyber.generate(random);
    expect([publicKey.length, secret.length]).toEqual([800, 1632]);
    const { ciphertext, key } = kyber.encapsulate(publicKey, random)!;
    expect(ciphertext).toHaveLength(768);
    expect(kyber.decapsulate(secret, ciphertext)).toEqual(key);
    expect(ml_kem512.decapsulate(ciphertext, secret)).not.toEqual(key);
  });

  test('the key is SHAKE256(K ‖ SHA3-256(ct))', () => {
    const { publicKey, secret } = kyber.generate(random);
    const { ciphertext, key } = kyber.encapsulate(publicKey, random)!;
    const shared = ml_kem512.decapsulate(ciphertext, secret);
    const digest = createHash('sha3-256').update(ciphertext).digest();
    const expected = createHash('shake256', { outputLength: 32 }).update(shared).update(digest).digest('hex');
    expect(Buffer.from(key).toString('hex')).toBe(expected);
  });

  test('another ciphertext gives another key and no error', () => {
    const { publicKey, secret } = kyber.generate(random);
    const { ciphertext, key } = kyber.encapsulate(publicKey, random)!;
    ciphertext[5]! ^= 1;
    expect(kyber.decapsulate(secret, ciphertext)).not.toEqual(key);
  });

  test('what is no public key has none', () => {
    expect(kyber.encapsulate(new Uint8Array(800).fill(0xff), random)).toBeUndefined();
    expect(kyber.encapsulate(new Uint8Array(10), random)).toBeUndefined();
  });
});
