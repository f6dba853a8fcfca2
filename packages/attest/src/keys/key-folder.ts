/**
 * An issuer's folder: `keys.json` with the private keys (0600, sealed), `trust.json` for verifiers, `revocations.json`
 * (signed), and the log in `log`. Who changes it holds the folder's lock.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { jsonBytesMax } from '../json/parse-json.ts';
import { type KeyRing, newKeyRing, newKmsKeyRing, trustOf } from './key-ring.ts';
import type { Kms } from './kms.ts';
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

/** Seals the key file. What it is made with is the business of who opens the folder; its refusals go through as they are. */
export type KeySealer = {
  seal(plain: Uint8Array): Promise<Uint8Array>;
  /** `clear`: the file was never sealed, and `plain` is all of it. `older`: it is due to be sealed with another key. */
  open(bytes: Uint8Array): Promise<{ plain: Uint8Array; form: KeyForm }>;
};
export type KeyForm = 'clear' | 'older' | 'current';

/** A folder, and what opens its keys. `kms`: where keys are made from now on, and those signed with that lie there. */
export type KeyFolder = { path: string; sealer: KeySealer; kms?: Kms | undefined };

const keysPath = ({ path }: KeyFolder) => join(path, folderFiles.keys);

/** Nothing of the keys is ever in an error. @throws AttestRefused KEY_BAD naming the file */
function parseKeys(folder: KeyFolder, plain: Uint8Array): KeyRing {
  try {
    return parseKeyRing(plain, folder.kms);
  } catch (error) {
    if (!(error instanceof AttestRefused)) throw error;
    throw new AttestRefused('KEY_BAD', `${keysPath(folder)}: ${error.message}; restore it from a backup`);
  }
}

/**
 * The keys in a folder; undefined when there are none.
 * @throws AttestRefused KEY_BAD when the file can be read by others or is not of this form; what the sealer refuses
 */
export async function readKeyRing(folder: KeyFolder): Promise<KeyRing | undefined> {
  const bytes = await readPrivate(keysPath(folder), jsonBytesMax);
  return bytes === undefined ? undefined : parseKeys(folder, (await folder.sealer.open(bytes)).plain);
}

/** Writes the keys, sealed, then what verifiers are given. */
export async function writeKeyRing(folder: KeyFolder, ring: KeyRing): Promise<void> {
  await writeWhole(keysPath(folder), await folder.sealer.seal(keyRingBytes(ring)));
  await writeTrust(folder, ring);
}

const writeTrust = ({ path }: KeyFolder, ring: KeyRing) =>
  writeWhole(join(path, folderFiles.trust), utf8(trustText(trustOf(ring))), 0o644);

/**
 * The keys in a folder, made when there are none. What verifiers are given is written anew: a crash may have come
 * between the two. @param now Unix milliseconds @param origin name of a log that is made
 * @throws AttestRefused as readKeyRing; KMS_… when they have to be made in a service that does not answer
 */
export async function openKeyRing(folder: KeyFolder, now: number, origin?: string): Promise<KeyRing> {
  const ring = await readKeyRing(folder);
  if (ring !== undefined) {
    await writeTrust(folder, ring);
    return ring;
  }
  const made = folder.kms === undefined ? newKeyRing(now, origin) : await newKmsKeyRing(folder.kms, now, origin);
  await writeKeyRing(folder, made);
  return made;
}

const draftOfKeys = /^keys\.json\.\d+\.\d+\.tmp$/;

/** What a crash left of a write: of a version that did not seal it has the private keys in it. */
async function removeDrafts({ path }: KeyFolder): Promise<void> {
  for (const name of await readdir(path)) if (draftOfKeys.test(name)) await rm(join(path, name), { force: true });
}

/**
 * Seals keys that lie open, or are sealed with a key of before; what they sign stays as it is. Gives how they lay there,
 * undefined when there are none. A crash leaves the file as it was, or sealed.
 * @throws as readKeyRing: what is no key file stays as it is
 */
export async function sealKeys(folder: KeyFolder): Promise<KeyForm | undefined> {
  const bytes = await readPrivate(keysPath(folder), jsonBytesMax);
  if (bytes === undefined) return undefined;
  const { plain, form } = await folder.sealer.open(bytes);
  parseKeys(folder, plain);
  await removeDrafts(folder);
  if (form !== 'current') await writeWhole(keysPath(folder), await folder.sealer.seal(plain));
  return form;
}
