/**
 * An issuer's folder: `keys.json` with the private keys (0600), `trust.json` for verifiers, `revocations.json` (signed),
 * and the log in `log`. Who changes it holds the folder's lock.
 */
import { join } from 'node:path';
import { utf8 } from '../bytes/bytes.ts';
import { jsonBytesMax } from '../json/parse-json.ts';
import { type KeyRing, newKeyRing, trustOf } from './key-ring.ts';
import { readPrivate, writeWhole } from './private-file.ts';
import { keyRingBytes, parseKeyRing } from './stored-ring.ts';
import { trustText } from './trust.ts';

export const folderFiles = {
  keys: 'keys.json',
  trust: 'trust.json',
  revocations: 'revocations.json',
  log: 'log',
  /** Where the arena that runs on the folder is asked, by who may open the folder: the issuer. */
  socket: 'issuer.sock',
} as const;

/**
 * The keys in a folder; undefined when there are none.
 * @throws AttestRefused KEY_BAD when the file can be read by others or is not of this form; never with text of it.
 */
export async function readKeyRing(folder: string): Promise<KeyRing | undefined> {
  const bytes = await readPrivate(join(folder, folderFiles.keys), jsonBytesMax);
  return bytes === undefined ? undefined : parseKeyRing(bytes);
}

/** Writes the keys, then what verifiers are given. */
export async function writeKeyRing(folder: string, ring: KeyRing): Promise<void> {
  await writeWhole(join(folder, folderFiles.keys), keyRingBytes(ring));
  await writeTrust(folder, ring);
}

const writeTrust = (folder: string, ring: KeyRing) =>
  writeWhole(join(folder, folderFiles.trust), utf8(trustText(trustOf(ring))), 0o644);

/**
 * The keys in a folder, made when there are none. What verifiers are given is written anew: a crash may have come
 * between the two. @param now Unix milliseconds @param origin name of a log that is made
 */
export async function openKeyRing(folder: string, now: number, origin?: string): Promise<KeyRing> {
  const ring = await readKeyRing(folder);
  if (ring !== undefined) {
    await writeTrust(folder, ring);
    return ring;
  }
  const made = newKeyRing(now, origin);
  await writeKeyRing(folder, made);
  return made;
}
