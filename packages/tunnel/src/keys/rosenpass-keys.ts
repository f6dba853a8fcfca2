/** The own Rosenpass pair in files: raw bytes, the secret one 0600 in either layout (K1, tunnel 2.2). */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { writePrivateFile, writeWholeFile } from '@labmesh/kit/saved-file';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { decapsulate, prepareSecretKey } from '@labmesh/rosenpass/mceliece/decapsulate';
import { encapsulate } from '@labmesh/rosenpass/mceliece/encapsulate';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { readSecretFile } from './read-secret-file.ts';
import type { RosenpassPair } from '../steps/step-pool.ts';
import { TunnelKeyError } from './tunnel-key-error.ts';

export type RosenpassKeyPaths = { privateKeyPath: string; publicKeyPath: string };

/** Layouts pc and r4 (5.2). */
const secretKeyBytes = [13_568, 13_608];

/**
 * Reads the pair; undefined when neither file is there.
 * @throws TunnelKeyError KEY_FILE_MODE; ROSENPASS_KEY_INVALID for a wrong length or half a pair
 */
export function readRosenpassKeys({ privateKeyPath, publicKeyPath }: RosenpassKeyPaths): RosenpassPair | undefined {
  const secretKey = readSecretFile(privateKeyPath);
  const publicKey = readSecretFile(publicKeyPath, 'any mode');
  if (secretKey === undefined && publicKey === undefined) return undefined;
  const [there, missing] = secretKey === undefined ? [publicKeyPath, privateKeyPath] : [privateKeyPath, publicKeyPath];
  if (secretKey === undefined || publicKey === undefined) {
    const way = 'put it back, or remove both and a new pair is made';
    throw new TunnelKeyError('ROSENPASS_KEY_INVALID', `${there} is there, ${missing} is not; ${way}`);
  }
  const fault = (path: string, expected: string, found: number) =>
    new TunnelKeyError('ROSENPASS_KEY_INVALID', `${path}: expected ${expected} bytes, found ${found}`);
  if (!secretKeyBytes.includes(secretKey.length)) throw fault(privateKeyPath, '13568 or 13608', secretKey.length);
  if (publicKey.length !== rosenpassPublicKeyBytes)
    throw fault(publicKeyPath, String(rosenpassPublicKeyBytes), publicKey.length);
  return { secretKey, publicKey };
}

/** Whether the halves belong together, by a trial: 50 ms. Both have been read: their lengths are right. */
export function isRosenpassPair({ secretKey, publicKey }: RosenpassPair): boolean {
  const { ciphertext, key } = encapsulate(publicKey, 'pc188', (bytes) => new Uint8Array(randomBytes(bytes)));
  using prepared = prepareSecretKey(secretKey);
  return timingSafeEqual(decapsulate(prepared, ciphertext), key);
}

/** Writes both files, each whole or not at all; the secret one first. */
export function writeRosenpassKeys(paths: RosenpassKeyPaths, { secretKey, publicKey }: RosenpassPair): void {
  writePrivateFile(paths.privateKeyPath, secretKey);
  writeWholeFile(paths.publicKeyPath, publicKey, 0o644);
}

/**
 * Makes the pair where there is none. Gives the public half; the secret one stays in its file.
 * @throws TunnelKeyError as `readRosenpassKeys`
 */
export async function ensureRosenpassKeys(
  paths: RosenpassKeyPaths,
  generate: () => Promise<RosenpassPair>,
): Promise<{ publicKey: Uint8Array; fingerprint: string; isNew: boolean }> {
  const found = readRosenpassKeys(paths);
  const pair = found ?? (await generate());
  if (found === undefined) writeRosenpassKeys(paths, pair);
  pair.secretKey.fill(0);
  return { publicKey: pair.publicKey, fingerprint: fingerprintOf(pair.publicKey), isNew: found === undefined };
}
