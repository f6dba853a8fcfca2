import { describe, expect, test } from 'bun:test';
import { generateKeyPairSync, sign } from 'node:crypto';
import { utf8 } from '../bytes/bytes.ts';
import { refusalOf } from '../testing/refusal.ts';
import {
  publicKeyFromPem,
  publicKeyFromRaw,
  publicKeyFromSpki,
  publicKeyToPem,
  rawEd25519,
  verifySignature,
} from './public-key.ts';
import { generateSigner, signerFromPkcs8 } from './signing-key.ts';

const message = utf8('what is signed');
const signer = generateSigner();
const own = signer.publicKey;

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const es256 = publicKeyFromSpki(p256.publicKey.export({ format: 'der', type: 'spki' }));
const es256Sign = () => new Uint8Array(sign('sha256', message, { key: p256.privateKey, dsaEncoding: 'ieee-p1363' }));

/** Order of the base point of Ed25519. */
const order = 2n ** 252n + 27742317777372353535851937790883648493n;

/** The signature with S + L: the same equation holds. */
function malleated(signature: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(signature);
  let s = order;
  for (let at = 31; at >= 0; at--) s += BigInt(copy[32 + at] ?? 0) << BigInt(8 * at);
  for (let at = 0; at < 32; at++) copy[32 + at] = Number((s >> BigInt(8 * at)) & 255n);
  return copy;
}

describe('a signature', () => {
  test('of Ed25519 and of ES256 holds, and no other byte does', async () => {
    for (const [key, signature] of [
      [own, signer.sign(message)],
      [es256, es256Sign()],
    ] as const) {
      expect(await verifySignature(key, message, signature)).toBe(true);
      for (let at = 0; at < signature.length; at++) {
        const changed = new Uint8Array(signature);
        changed[at] = (changed[at] ?? 0) ^ 1;
        expect(await verifySignature(key, message, changed)).toBe(false);
      }
      expect(await verifySignature(key, utf8('what is signex'), signature)).toBe(false);
    }
  });

  test('with S + L is none (malleability)', async () => {
    expect(await verifySignature(own, message, malleated(signer.sign(message)))).toBe(false);
  });

  test('of another length is none, DER too', async () => {
    const der = new Uint8Array(sign('sha256', message, p256.privateKey));
    for (const bytes of [new Uint8Array(0), new Uint8Array(63), new Uint8Array(65), der]) {
      expect(await verifySignature(es256, message, bytes)).toBe(false);
      expect(await verifySignature(own, message, bytes)).toBe(false);
    }
  });

  test('is checked as its key says: one of the other algorithm is none', async () => {
    expect(await verifySignature(es256, message, signer.sign(message))).toBe(false);
    expect(await verifySignature(own, message, es256Sign())).toBe(false);
  });

  test('under a key that is no point is refused', async () => {
    const spki = new Uint8Array(es256.spki).fill(7, -64);
    expect(await refusalOf(() => verifySignature(publicKeyFromSpki(spki), message, es256Sign()))).toBe('KEY_BAD');
  });
});

describe('a key', () => {
  test('is known by the hash of its one form', async () => {
    expect(publicKeyFromPem(publicKeyToPem(own))).toEqual(own);
    expect(publicKeyFromRaw(rawEd25519(own))).toEqual(own);
    const compressed = p256.publicKey.export({ format: 'jwk' });
    expect(compressed.crv).toBe('P-256');
    for (const type of ['rsa', 'x25519', 'ed448'] as const) {
      const pair = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : undefined;
      if (pair === undefined) continue;
      const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
      expect(await refusalOf(() => publicKeyFromSpki(spki))).toBe('ALGORITHM_UNKNOWN');
    }
    // X25519 has 32 bytes too, under another identifier.
    const x25519 = new Uint8Array(own.spki);
    x25519[8] = 0x6e;
    for (const spki of [x25519, own.spki.subarray(1), new Uint8Array([...own.spki, 0]), new Uint8Array(0)]) {
      expect(await refusalOf(() => publicKeyFromSpki(spki))).toBe('ALGORITHM_UNKNOWN');
    }
  });

  test('as PEM: one block and nothing else', async () => {
    const pem = publicKeyToPem(own);
    for (const text of ['', 'x', `${pem}${pem}`, pem.replaceAll('PUBLIC', 'PRIVATE'), `x${pem}`]) {
      expect(await refusalOf(() => publicKeyFromPem(text))).toBe('KEY_BAD');
    }
    expect(await refusalOf(() => publicKeyFromPem(pem.replace(/[A-Za-z0-9]=?\n-----END/, '\n-----END')))).toBeDefined();
  });

  test('raw keys are of Ed25519 and of 32 bytes', async () => {
    expect(await refusalOf(() => rawEd25519(es256))).toBe('ALGORITHM_UNKNOWN');
    expect(await refusalOf(() => publicKeyFromRaw(new Uint8Array(31)))).toBe('KEY_BAD');
  });
});

describe('a private key', () => {
  test('comes back from PKCS#8', () => {
    const again = signerFromPkcs8(signer.exportPkcs8());
    expect(again.publicKey).toEqual(own);
    expect(again.sign(message)).toEqual(signer.sign(message));
  });

  test('of another kind is refused, without a word of it', async () => {
    const other = p256.privateKey.export({ format: 'der', type: 'pkcs8' });
    expect(await refusalOf(() => signerFromPkcs8(other))).toBe('KEY_BAD');
    expect(await refusalOf(() => signerFromPkcs8(new Uint8Array(48)))).toBe('KEY_BAD');
  });
});
