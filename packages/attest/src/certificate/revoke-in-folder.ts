/** A revocation in an issuer's folder: by labctl, or by the arena that runs on it. Who calls this has the folder's lock. */
import { AttestRefused } from '../attest-refused.ts';
import { type KeyFolder, readKeyRing, writeKeyRing } from '../keys/key-folder.ts';
import { endKey, type KeyRing, succeedEnded } from '../keys/key-ring.ts';
import { isKmsRefusal } from '../keys/kms.ts';
import { writeRevocations } from './revocation-file.ts';
import type { Revocation } from './revocations.ts';

/**
 * `next`: the key that signs in place of one that was ended; null when none had to be made.
 * `isNextOwed`: one had to be, and the service that keeps keys did not make it. Nothing is signed for that use until
 * `succeedInFolder` was able to.
 */
export type Revoked = { next: string | null; isNextOwed?: true };

/**
 * Of a key three things in this order: it no longer signs, another does in its place, the list says since when it is not to be
 * believed. None waits for the one before: a service that is away keeps no stolen key in force. A crash in between leaves
 * the first done, and the same can be asked again. The log's entry is the caller's, afterwards: the list is what cuts, and an
 * entry without it would only tell that somebody meant to.
 *
 * @param now Unix milliseconds
 * @throws AttestRefused KEY_NOT_FOUND for a key that is none of ours, or without any; REVOCATIONS_BAD when the list is full;
 * KMS_… when the list cannot be signed: a key is ended by then, and the same has to be asked again
 */
export async function revokeInFolder(folder: KeyFolder, one: Revocation, now: number): Promise<Revoked> {
  const before = await readKeyRing(folder);
  if (before === undefined) throw new AttestRefused('KEY_NOT_FOUND', 'there are no keys');
  if (one.keyid === undefined) {
    await writeRevocations(folder.path, before, now, [one]);
    return { next: null };
  }
  const ended = endKey(before, one.keyid, now);
  await writeKeyRing(folder, ended);
  const { ring, owed } = await succeeded(folder, ended, now);
  // Only such a key signs the list.
  if (owed !== undefined && ring.keys.some(({ keyid, usage }) => keyid === one.keyid && usage === 'revocation'))
    throw owed;
  await writeRevocations(folder.path, ring, now, [one]);
  if (owed !== undefined) return { next: null, isNextOwed: true };
  // One that had ended long ago is followed by nobody: it had its successor.
  const made = ring.keys.find(({ keyid }) => before.keys.every((key) => key.keyid !== keyid));
  return { next: made?.keyid ?? null };
}

/** What a service that was away, or a crash, left undone: keys for uses that have none. @throws AttestRefused KMS_…, KEY_BAD */
export async function succeedInFolder(folder: KeyFolder, now: number): Promise<void> {
  const ring = await readKeyRing(folder);
  if (ring === undefined) return;
  const { owed } = await succeeded(folder, ring, now);
  if (owed !== undefined) throw owed;
}

/** @returns the ring that stands; `owed`: why a key that it needs was not made */
async function succeeded(
  folder: KeyFolder,
  before: KeyRing,
  now: number,
): Promise<{ ring: KeyRing; owed?: AttestRefused }> {
  try {
    const ring = await succeedEnded(before, now, folder.kms);
    if (ring !== before) await writeKeyRing(folder, ring);
    return { ring };
  } catch (error) {
    if (!isKmsRefusal(error)) throw error;
    return { ring: before, owed: error };
  }
}
