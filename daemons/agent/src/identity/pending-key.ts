/** The key that asked, kept until the answer came: a lost answer is asked for again with the same key (JT-5). */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { type EcKey, generateKey, keyFromPem } from '@labmesh/pki/keys';

const pathIn = (folder: string) => join(folder, 'pending.pem');

/** The key of a request under way, or a new one. */
export async function pendingKey(folder: string): Promise<EcKey> {
  const path = pathIn(folder);
  const text = readPrivateFile(path);
  if (text !== undefined) {
    const kept = await keyFromPem(text).catch(() => undefined);
    if (kept !== undefined) return kept;
  }
  const key = await generateKey();
  writePrivateFile(path, key.privatePem);
  return key;
}

/** The answer came and is kept. */
export const dropPendingKey = (folder: string): Promise<void> =>
  rm(pathIn(folder), { force: true }).catch(() => undefined);
