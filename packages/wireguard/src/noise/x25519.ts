/** X25519 (RFC 7748) on raw 32-byte keys, by the runtime's own crypto. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

// DER around a raw key: RFC 8410.
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex');

function privateObject(raw: Uint8Array): KeyObject {
  if (raw.length !== 32) throw new RangeError('an X25519 private key has 32 bytes');
  const der = Buffer.alloc(48);
  der.set(privatePrefix);
  der.set(raw, 16);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/** @throws RangeError when the private key has not 32 bytes. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const der = createPublicKey(privateObject(privateKey)).export({ format: 'der', type: 'spki' });
  return Uint8Array.from(der.subarray(-32));
}

/**
 * The shared secret, 32 bytes; undefined for a public key of low order, which would give zeros to anyone.
 * @throws RangeError when a key has not 32 bytes.
 */
export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== 32) throw new RangeError('an X25519 public key has 32 bytes');
  const own = privateObject(privateKey);
  const other = createPublicKey({ key: Buffer.concat([publicPrefix, publicKey]), format: 'der', type: 'spki' });
  try {
    const secret = diffieHellman({ privateKey: own, publicKey: other });
    const copy = Uint8Array.from(secret);
    secret.fill(0);
    return copy.some((byte) => byte !== 0) ? copy : undefined;
  } catch {
    return undefined; // the library refuses low order by itself
  }
}
