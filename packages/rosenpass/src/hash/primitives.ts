/**
 * The symmetric cryptography that the runtime lacks: ChaCha20-Poly1305 (RFC 8439), XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha-03) and keyed BLAKE2b (RFC 7693), by libsodium compiled to WebAssembly. It is used only after
 * its known answers came out right (spec tunnel.md R8).
 */
import sodium from 'libsodium-wrappers';

export type Primitives = {
  /** Gives the plain text with a 16-byte tag. Key 32 bytes, nonce 12. */
  seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array;
  /** The plain text, or undefined when the tag does not fit. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /** Nonce 24 bytes, with associated data. */
  xseal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plain: Uint8Array): Uint8Array;
  xopen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /** BLAKE2b with a native key of 32 bytes, 32-byte digest. */
  blake2b(key: Uint8Array, data: Uint8Array): Uint8Array;
};

const tagBytes = 16;

/** libsodium reports a wrong tag by throwing; what has no room for a tag is refused before. */
function opened(sealed: Uint8Array, open: () => Uint8Array): Uint8Array | undefined {
  if (sealed.length < tagBytes) return undefined;
  try {
    return open();
  } catch {
    return undefined;
  }
}

const libsodium: Primitives = {
  seal: (key, nonce, plain) => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, null, null, nonce, key),
  open: (key, nonce, sealed) =>
    opened(sealed, () => sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, null, nonce, key)),
  xseal: (key, nonce, associated, plain) =>
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, null, nonce, key),
  xopen: (key, nonce, associated, sealed) =>
    opened(sealed, () => sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, associated, nonce, key)),
  blake2b: (key, data) => sodium.crypto_generichash(32, data, key),
};

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const answered = (found: Uint8Array | undefined, expected: string) =>
  found !== undefined && Buffer.from(found).toString('hex') === expected;

/**
 * Whether each primitive gives the known answer, and the ciphers refuse a changed text. The tag of the XAEAD is the
 * draft's (A.3.1); the two others, on the same inputs, come from a second implementation.
 */
export function passesKnownAnswers(primitives: Primitives): boolean {
  const key = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f');
  const associated = hex('50515253c0c1c2c3c4c5c6c7');
  const nonce = hex('404142434445464748494a4b4c4d4e4f5051525354555657');
  const plain = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed = primitives.xseal(key, nonce, associated, plain);
  const [sealedTag, forged] = [sealed.subarray(-tagBytes), sealed.map((byte, at) => (at === 0 ? byte ^ 1 : byte))];
  // No associated data: the one-block case of every handshake.
  const empty = primitives.seal(key, nonce.subarray(0, 12), new Uint8Array(0));
  return (
    answered(sealedTag, 'c0875924c1c7987947deafd8780acf49') &&
    answered(primitives.xopen(key, nonce, associated, sealed), Buffer.from(plain).toString('hex')) &&
    primitives.xopen(key, nonce, associated, forged) === undefined &&
    answered(primitives.open(key, nonce.subarray(0, 12), empty), '') &&
    primitives.open(key, nonce.subarray(1, 13), empty) === undefined &&
    answered(empty, '4968bfa6ac4c53184fac3d9c8e0d17c4') &&
    answered(primitives.blake2b(key, plain), '1aa50cbf075d20613b4709da1fe628f579259e45eb313d32a5fb781dfc0bd824')
  );
}

/** @throws Error when WebAssembly cannot run here or gives wrong answers. */
export async function openPrimitives(): Promise<Primitives> {
  await sodium.ready;
  if (!passesKnownAnswers(libsodium)) throw new Error('libsodium gives wrong answers here');
  return libsodium;
}
