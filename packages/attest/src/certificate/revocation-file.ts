/** An issuer's own revocation list on disk. The signed list is the state itself: what verifiers see is all there is. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeyRing, keyInForce, trustOf } from '../keys/key-ring.ts';
import { folderFiles } from '../keys/key-folder.ts';
import { writeWhole } from '../keys/private-file.ts';
import { openRevocations, type Revocation, type RevocationList, signRevocations } from './revocations.ts';

/**
 * The list in a folder; undefined when there is none yet.
 * @throws AttestRefused when it is not one of ours: it is never begun anew in silence, which would take back what it said.
 */
export async function readRevocations(folder: string, ring: KeyRing): Promise<RevocationList | undefined> {
  const bytes = await readFile(join(folder, folderFiles.revocations)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  // Whichever of our keys signed it, also one that was ended in that very millisecond: it has to stay readable to us.
  const keys = ring.keys.map((key) => ({ ...key, notAfter: undefined }));
  return await openRevocations(bytes, trustOf({ ...ring, keys }));
}

/** Signs the list anew with the next number, good for another day, with `added` in it. Gives its bytes. */
export async function writeRevocations(
  folder: string,
  ring: KeyRing,
  now: number,
  added: readonly Revocation[] = [],
): Promise<Uint8Array<ArrayBuffer>> {
  const before = await readRevocations(folder, ring);
  const { signer } = keyInForce(ring, 'revocation', now);
  const all = [...(before?.revocations ?? []), ...added];
  const bytes = await signRevocations((before?.number ?? 0) + 1, all, now, signer);
  await writeWhole(join(folder, folderFiles.revocations), bytes, 0o644);
  return bytes;
}
