/**
 * Certificate requests (PKCS#10, RFC 2986). Of what a stranger sends, two things count: the public key and that the
 * request is signed by it. Subject, names and extensions asked for are not even read (CA-4).
 */
import { verify } from 'node:crypto';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { DerError, DerReader, tag } from './der/der-reader.ts';
import { readPem, toPem } from './der/pem.ts';
import { readSignatureHash, sha256Hex } from './der/read-certificate.ts';
import { element, objectId, positiveInteger, sequence } from './der/write-der.ts';
import { signDer } from './issue/sign-der.ts';
import { type Curve, curveOf, type EcKey, publicKeyOf } from './keys.ts';

/** Largest request taken, characters. One of ours has about 400. */
export const csrTextMax = 8 * 1024;

/** A request whose signature was checked; `pem` is its text. */
export type Csr = { pem: string; spki: Uint8Array; keyHash: string; curve: Curve };

/** CN=labmesh: a request must have a subject, and nobody reads it. */
const subject = sequence(element(tag.set, sequence(objectId('2.5.4.3'), element(0x0c, Buffer.from('labmesh')))));

/** A request for the key's certificate, PEM (RFC 2986, 4). It names nobody: the issuer decides. */
export async function createCsr(key: EcKey): Promise<string> {
  const noAttributes = element(0xa0);
  const der = await signDer(key, () => sequence(positiveInteger('0'), subject, key.spki, noAttributes));
  return toPem('CERTIFICATE REQUEST', der);
}

type Parts = { body: Uint8Array; spki: Uint8Array; algorithm: DerReader; signature: Uint8Array };

function readParts(der: Uint8Array): Parts {
  const top = DerReader.of(der);
  const outer = top.read(tag.sequence);
  top.end();
  const body = outer.read(tag.sequence);
  const algorithm = outer.read(tag.sequence);
  const signature = outer.bitString();
  outer.end();
  if (body.smallInteger() !== 0) throw new DerError('not a version 1 request');
  body.read(tag.sequence);
  const spki = body.read(tag.sequence).whole;
  return { body: body.whole, spki, algorithm, signature };
}

const invalid = (message: string) => new FleetError('VALIDATION_FAILED', { field: 'csrPem', message });

/**
 * The key of a request, after its self-signature was checked.
 * @throws FleetError KEY_TYPE_REFUSED for any key but EC P-256 and P-384, VALIDATION_FAILED (field csrPem) otherwise.
 */
export function parseCsr(pem: string): Csr {
  if (pem.length > csrTextMax) throw invalid('the certificate request is too large');
  const [block, ...more] = readPem(pem);
  const isRequest = block !== undefined && /^(?:NEW )?CERTIFICATE REQUEST$/.test(block.label);
  if (!isRequest || more.length > 0) throw invalid('not one PEM block CERTIFICATE REQUEST');
  let parts: Parts;
  try {
    parts = readParts(block.der);
  } catch (error) {
    if (error instanceof DerError) throw invalid('the certificate request cannot be read');
    throw error;
  }
  const curve = curveOf(parts.spki);
  if (curve === undefined) throw new FleetError('KEY_TYPE_REFUSED', { field: 'csrPem' });
  if (!isSelfSigned(parts)) throw invalid('the certificate request is not signed by its own key');
  return { pem, spki: parts.spki, keyHash: sha256Hex(parts.spki), curve };
}

function isSelfSigned({ body, spki, algorithm, signature }: Parts): boolean {
  try {
    return verify(readSignatureHash(algorithm), body, { key: publicKeyOf(spki), dsaEncoding: 'der' }, signature);
  } catch {
    // A point that is not on its curve, another algorithm, a signature that is not two numbers.
    return false;
  }
}
