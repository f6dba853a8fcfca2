import { RosenpassKeyInvalid } from '../mceliece/rosenpass-key-invalid.ts';

/** A WireGuard or preshared key, and each key that an exchange puts out. */
const keyBytes = 32;
/** Longest text that is looked at, characters. */
const keyTextMax = 128;

/** Base64 without a line end, as Rosenpass writes its files. */
export function keyText(key: Uint8Array): string {
  return key.toBase64();
}

/**
 * The 32 bytes of a base64 text, with or without space around it.
 * @param what names the key in the error. @throws RosenpassKeyInvalid, which never shows the text.
 */
export function readKeyText(what: string, source: string | Uint8Array): Uint8Array {
  const text = (typeof source === 'string' ? source : String.fromCharCode(...source.subarray(0, keyTextMax))).trim();
  if (source.length > keyTextMax || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    throw new RosenpassKeyInvalid(what, 'no base64', keyBytes);
  }
  const key = new Uint8Array(Buffer.from(text, 'base64'));
  if (key.length !== keyBytes) throw new RosenpassKeyInvalid(what, key.length, keyBytes);
  return key;
}
