/**
 * EC keys on P-256 and P-384, the only ones that are made or signed (CA-1). They are WebCrypto keys because the
 * certificate library signs with those; TLS and files take the PEM.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { DerError, DerReader, tag } from './der/der-reader.ts';
import { toPem } from './der/pem.ts';
import { sha256Hex } from './der/read-certificate.ts';

export type Curve = 'P-256' | 'P-384';

export type EcKey = {
  curve: Curve;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  /** PKCS#8, PEM. Secret: it never leaves the machine that made it (P2). */
  privatePem: string;
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array;
  /** SHA-256 of `spki`, hex. */
  keyHash: string;
};

const ecPublicKey = '1.2.840.10045.2.1';
const curveOids: Readonly<Record<string, Curve>> = { '1.2.840.10045.3.1.7': 'P-256', '1.3.132.0.34': 'P-384' };

/** How a key of this curve signs: P-256 with SHA-256, P-384 with SHA-384. */
export const signingAlgorithm = (curve: Curve) =>
  ({ name: 'ECDSA', namedCurve: curve, hash: curve === 'P-256' ? 'SHA-256' : 'SHA-384' }) as const;

/** The curve of a SubjectPublicKeyInfo; undefined when it is no EC key on one of ours. */
export function curveOf(spki: Uint8Array): Curve | undefined {
  try {
    const outer = DerReader.of(spki).read(tag.sequence);
    const algorithm = outer.read(tag.sequence);
    if (algorithm.oid() !== ecPublicKey) return undefined;
    const curve = curveOids[algorithm.oid()];
    algorithm.end();
    // Uncompressed points only, so that one key has one form and one hash.
    const point = outer.bitString();
    const isWhole = point[0] === 4 && point.length === (curve === 'P-256' ? 65 : 97);
    return isWhole ? curve : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** A key object for checking signatures. @throws Error when the point is not on the curve. */
export const publicKeyOf = (spki: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });

async function fromPkcs8(pkcs8: Uint8Array<ArrayBuffer>, spki: Uint8Array<ArrayBuffer>): Promise<EcKey> {
  const curve = curveOf(spki);
  if (curve === undefined) throw new RangeError('not an EC key on P-256 or P-384');
  const algorithm = { name: 'ECDSA', namedCurve: curve };
  return {
    curve,
    // Not extractable: whoever gets hold of the handle can sign, but not copy.
    privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    privatePem: toPem('PRIVATE KEY', pkcs8),
    spki,
    keyHash: sha256Hex(spki),
  };
}

export async function generateKey(curve: Curve = 'P-256'): Promise<EcKey> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign', 'verify']);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  return await fromPkcs8(pkcs8, new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)));
}

/** A key from PKCS#8 or SEC1 PEM. @throws RangeError when it is not one of ours; the text is never part of it. */
export async function keyFromPem(pem: string): Promise<EcKey> {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new RangeError('not a private key');
  }
  if (key.asymmetricKeyType !== 'ec') throw new RangeError('not an EC key on P-256 or P-384');
  const pkcs8 = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
  return await fromPkcs8(pkcs8, new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })));
}
