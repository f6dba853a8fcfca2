/**
 * Public keys that may be trusted. The algorithm is read from the key, never from what was signed: an envelope cannot
 * choose how it is checked. Checking runs on WebCrypto, so that a browser does what labctl does.
 */
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { concatBytes } from '../bytes/bytes.ts';
import { sha256Hex } from '../sha256.ts';

export type Algorithm = 'ed25519' | 'es256';

export type PublicKey = {
  algorithm: Algorithm;
  /** SubjectPublicKeyInfo, DER; one form for one key. */
  spki: Uint8Array<ArrayBuffer>;
  /** SHA-256 of `spki`, lower-case hex. */
  keyid: string;
};

/** All that stands before the point. Compared whole, so that no second encoding of a key passes as another key. */
const prefixes: Readonly<Record<Algorithm, { head: string; pointBytes: number }>> = {
  ed25519: { head: '302a300506032b6570032100', pointBytes: 32 },
  // P-256, uncompressed: x and y.
  es256: { head: '3059301306072a8648ce3d020106082a8648ce3d03010703420004', pointBytes: 64 },
};

/** Bytes of a signature of either algorithm: R and S, or r and s. */
export const signatureBytes = 64;

/** @throws AttestRefused ALGORITHM_UNKNOWN when it is neither Ed25519 nor P-256, or not in its one form. */
export function publicKeyFromSpki(spki: Uint8Array): PublicKey {
  for (const algorithm of ['ed25519', 'es256'] as const) {
    const { head, pointBytes } = prefixes[algorithm];
    const headBytes = head.length / 2;
    if (spki.length !== headBytes + pointBytes || spki.subarray(0, headBytes).toHex() !== head) continue;
    return { algorithm, spki: new Uint8Array(spki), keyid: sha256Hex(spki) };
  }
  throw new AttestRefused('ALGORITHM_UNKNOWN', 'neither an Ed25519 nor a P-256 public key');
}

/** The 32 bytes of an Ed25519 key, as signed notes and JWKs name it. @throws AttestRefused ALGORITHM_UNKNOWN */
export function rawEd25519({ algorithm, spki }: PublicKey): Uint8Array<ArrayBuffer> {
  if (algorithm !== 'ed25519') throw new AttestRefused('ALGORITHM_UNKNOWN', 'not an Ed25519 key');
  return spki.slice(-prefixes.ed25519.pointBytes);
}

/** @throws AttestRefused KEY_BAD when there are not 32 bytes. */
export function publicKeyFromRaw(raw: Uint8Array): PublicKey {
  if (raw.length !== prefixes.ed25519.pointBytes) throw new AttestRefused('KEY_BAD', 'an Ed25519 key has 32 bytes');
  return publicKeyFromSpki(concatBytes(Uint8Array.fromHex(prefixes.ed25519.head), raw));
}

const pemPattern = /^-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END PUBLIC KEY-----\s*$/;

/** One public key as PEM. @throws AttestRefused KEY_BAD, BASE64_BAD, ALGORITHM_UNKNOWN; the text is never part of it. */
export function publicKeyFromPem(pem: string): PublicKey {
  const body = pemPattern.exec(pem.trimStart())?.[1];
  if (body === undefined) throw new AttestRefused('KEY_BAD', 'not one PUBLIC KEY in PEM');
  return publicKeyFromSpki(fromBase64(body.replaceAll(/[\r\n]/g, '')));
}

export function publicKeyToPem({ spki }: PublicKey): string {
  const lines = toBase64(spki).match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join('\n')}\n-----END PUBLIC KEY-----\n`;
}

const imports = { ed25519: { name: 'Ed25519' }, es256: { name: 'ECDSA', namedCurve: 'P-256' } } as const;
const checks = { ed25519: { name: 'Ed25519' }, es256: { name: 'ECDSA', hash: 'SHA-256' } } as const;

/**
 * Whether `signature` (64 bytes) over `message` was made by the key. Ed25519 with S ≥ L is refused (RFC 8032 section
 * 5.1.7). ES256 has two signatures for each one made; nothing here is ever named by its signature.
 * @throws AttestRefused KEY_BAD when the point is not on the curve.
 */
export async function verifySignature(
  key: PublicKey,
  message: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (signature.length !== signatureBytes) return false;
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey('spki', key.spki, imports[key.algorithm], false, ['verify']);
  } catch {
    throw new AttestRefused('KEY_BAD', 'the key is no point on its curve');
  }
  return await crypto.subtle.verify(checks[key.algorithm], imported, signature, message);
}
