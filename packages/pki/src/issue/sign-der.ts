/** ECDSA as X.509 has it: the algorithm's identifier, and signatures as two integers. */
import { element, objectId, positiveInteger, sequence } from '../der/write-der.ts';
import type { EcKey } from '../keys.ts';

export type SigningKey = Pick<EcKey, 'curve' | 'privateKey'>;

const algorithms = {
  'P-256': sequence(objectId('1.2.840.10045.4.3.2')),
  'P-384': sequence(objectId('1.2.840.10045.4.3.3')),
} as const;

/** WebCrypto gives both numbers side by side; X.509 wants a sequence of integers. */
async function signatureOf(key: SigningKey, bytes: Uint8Array): Promise<Buffer> {
  const hash = key.curve === 'P-256' ? 'SHA-256' : 'SHA-384';
  const raw = Buffer.from(
    await crypto.subtle.sign({ name: 'ECDSA', hash }, key.privateKey, new Uint8Array(bytes)),
  ).toString('hex');
  const half = raw.length / 2;
  return sequence(positiveInteger(raw.slice(0, half)), positiveInteger(raw.slice(half)));
}

/**
 * The signed form of a certificate or list: body, algorithm, signature (RFC 5280, 4.1 and 5.1). `bodyOf` gets the
 * algorithm, which stands in the body too.
 */
export async function signDer(key: SigningKey, bodyOf: (algorithm: Buffer) => Buffer): Promise<Uint8Array> {
  const algorithm = algorithms[key.curve];
  const body = bodyOf(algorithm);
  const signature = element(0x03, Buffer.from([0]), await signatureOf(key, body));
  return new Uint8Array(sequence(body, algorithm, signature));
}
