/**
 * Sealed values (SE-1): AES-256-GCM under a fresh data key, which is itself sealed under a key-encryption key (KEK).
 *
 *     enc:v1: base64url( 01 | len | kekId | nonce 12 | wrapped key 32 + tag 16 | nonce 12 | ciphertext + tag 16 )
 *
 * Both layers carry the place (table, row, field) as additional data, so that a value moved to another row does not
 * open. A new KEK wraps the data key again and leaves the ciphertext as it is.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

/** A key-encryption key: 32 bytes. */
export type Kek = { id: string; key: Uint8Array };
/** Where a value lives. */
export type Place = { table: string; rowId: string; field: string };

export const sealPrefix = 'enc:v1:';

const version = 1;
const nonceBytes = 12;
const keyBytes = 32;
const tagBytes = 16;
const wrappedBytes = keyBytes + tagBytes;
const cipherName = 'aes-256-gcm';

type Parts = { kekId: string; keyNonce: Uint8Array; wrapped: Uint8Array; nonce: Uint8Array; sealed: Uint8Array };

const additional = ({ table, rowId, field }: Place) => Buffer.from(`labmesh-seal-v1\n${table}\n${rowId}\n${field}`);

function encrypt(key: Uint8Array, nonce: Uint8Array, place: Place, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(cipherName, key, nonce).setAAD(additional(place));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, nonce: Uint8Array, place: Place, sealed: Uint8Array): Buffer {
  const at = sealed.length - tagBytes;
  const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: tagBytes }).setAAD(additional(place));
  decipher.setAuthTag(sealed.subarray(at));
  return Buffer.concat([decipher.update(sealed.subarray(0, at)), decipher.final()]);
}

function parse(text: string): Parts | undefined {
  const base64 = text.slice(sealPrefix.length);
  if (!text.startsWith(sealPrefix) || !/^[\w-]+$/.test(base64)) return undefined;
  const bytes = Buffer.from(base64, 'base64url');
  const [first, length = 0] = bytes;
  let at = 2 + length;
  const least = at + nonceBytes + wrappedBytes + nonceBytes + tagBytes;
  if (first !== version || length === 0 || length > 64 || bytes.length < least) return undefined;
  const take = (count: number) => bytes.subarray(at, (at += count));
  return {
    kekId: bytes.toString('latin1', 2, at),
    keyNonce: take(nonceBytes),
    wrapped: take(wrappedBytes),
    nonce: take(nonceBytes),
    sealed: bytes.subarray(at),
  };
}

function render({ kekId, keyNonce, wrapped, nonce, sealed }: Parts): string {
  const head = [Buffer.from([version, kekId.length]), Buffer.from(kekId, 'latin1')];
  return sealPrefix + Buffer.concat([...head, keyNonce, wrapped, nonce, sealed]).toString('base64url');
}

/** The KEK that a sealed text names; undefined when it is no sealed text. */
export const kekIdOf = (text: string): string | undefined => parse(text)?.kekId;

/** Seals one value. `random` is replaced by the test of the written vector alone. */
export function sealWith(kek: Kek, place: Place, plain: Uint8Array, random = randomBytes as (n: number) => Uint8Array) {
  const dataKey = random(keyBytes);
  const [keyNonce, nonce] = [random(nonceBytes), random(nonceBytes)];
  const wrapped = encrypt(kek.key, keyNonce, place, dataKey);
  return render({ kekId: kek.id, keyNonce, wrapped, nonce, sealed: encrypt(dataKey, nonce, place, plain) });
}

const placeText = ({ table, rowId, field }: Place) => `${table}/${rowId}/${field}`;

type FindKey = (kekId: string) => Uint8Array | undefined;

/** The parts of a text and its data key. @throws FleetError INTERNAL. */
function unwrap(find: FindKey, place: Place, text: string): { parts: Parts; dataKey: Uint8Array } {
  const parts = parse(text);
  if (parts === undefined) throw new FleetError('INTERNAL', { log: `${placeText(place)} is not a sealed value` });
  const key = find(parts.kekId);
  if (key === undefined) {
    throw new FleetError('INTERNAL', { log: `${placeText(place)} is sealed with key ${parts.kekId}, not loaded here` });
  }
  try {
    return { parts, dataKey: decrypt(key, parts.keyNonce, place, parts.wrapped) };
  } catch (cause) {
    throw new FleetError('INTERNAL', { log: `${placeText(place)} does not open with key ${parts.kekId}`, cause });
  }
}

/** @throws FleetError INTERNAL when the text was changed, moved, or its key is not among those that `find` knows. */
export function openWith(find: FindKey, place: Place, text: string): Uint8Array {
  const { parts, dataKey } = unwrap(find, place, text);
  try {
    return new Uint8Array(decrypt(dataKey, parts.nonce, place, parts.sealed));
  } catch (cause) {
    throw new FleetError('INTERNAL', { log: `${placeText(place)} was changed (key ${parts.kekId})`, cause });
  }
}

/** The same value with its data key under another KEK (SE-3). @throws FleetError INTERNAL. */
export function rewrapWith(find: FindKey, kek: Kek, place: Place, text: string): string {
  const { parts, dataKey } = unwrap(find, place, text);
  const keyNonce = randomBytes(nonceBytes);
  return render({ ...parts, kekId: kek.id, keyNonce, wrapped: encrypt(kek.key, keyNonce, place, dataKey) });
}
