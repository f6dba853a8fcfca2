/** Key-encryption keys: what they are called, how one is told to be right, and how one is made from a passphrase (SE-2). */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { Kek } from './seal-value.ts';

export const kekBytes = 32;
export const saltBytes = 16;

const cost = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };

const derive = (key: Uint8Array, label: string) => createHmac('sha256', key).update(label).digest('hex');

/** A key under the name that follows from it, so that a file needs no names and a wrong key has another one. */
export const kekOf = (key: Uint8Array): Kek => ({ id: `k${derive(key, 'labmesh-kek-id').slice(0, 12)}`, key });

export const newKek = (): Kek => kekOf(randomBytes(kekBytes));

/** Stored beside the id: tells a right key from one whose short name happens to be the same. */
export const checkValue = (key: Uint8Array): string => derive(key, 'labmesh-kek-check');

export function hasCheckValue(key: Uint8Array, expected: string): boolean {
  const [a, b] = [Buffer.from(checkValue(key)), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export const newSalt = (): Uint8Array => randomBytes(saltBytes);

/** scrypt N=2^17 r=8 p=1: 128 MiB and about half a second, off the main thread. */
export function passphraseKey(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, kekBytes, cost, (error, key) =>
      error instanceof Error ? reject(error) : resolve(new Uint8Array(key)),
    );
  });
}
