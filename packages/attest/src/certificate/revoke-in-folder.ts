/** A revocation in an issuer's folder: by labctl, or by the arena that runs on it. Who calls this has the folder's lock. */
import { AttestRefused } from '../attest-refused.ts';
import { type KeyFolder, readKeyRing, writeKeyRing } from '../keys/key-folder.ts';
import { endKey } from '../keys/key-ring.ts';
import { writeRevocations } from './revocation-file.ts';
import type { Revocation } from './revocations.ts';

/** `next`: the key that signs in place of one that was ended; null when none had to be made. */
export type Revoked = { next: string | null };

/**
 * Of a key two things in this order: it no longer signs, then the list says since when it is not to be believed. A crash
 * in between leaves the first done, and the same can be asked again. The log's entry is the caller's, afterwards: the
 * list is what cuts, and an entry without it would only tell that somebody meant to.
 *
 * @param now Unix milliseconds
 * @throws AttestRefused KEY_NOT_FOUND for a key that is none of ours, or without any; REVOCATIONS_BAD when the list is full;
 * KMS_… when the list cannot be signed: a key is ended by then, and the same has to be asked again
 */
export async function revokeInFolder(folder: KeyFolder, one: Revocation, now: number): Promise<Revoked> {
  const before = await readKeyRing(folder);
  if (before === undefined) throw new AttestRefused('KEY_NOT_FOUND', 'there are no keys');
  const ring = one.keyid === undefined ? before : await endKey(before, one.keyid, now, folder.kms);
  if (ring !== before) await writeKeyRing(folder, ring);
  await writeRevocations(folder.path, ring, now, [one]);
  // One that had ended long ago is followed by nobody: it had its successor.
  const made = ring.keys.find(({ keyid }) => before.keys.every((key) => key.keyid !== keyid));
  return { next: made?.keyid ?? null };
}
