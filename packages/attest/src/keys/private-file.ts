/** A file that only its owner may read: written whole (draft, sync, rename), so that a crash leaves the old or the new. */
import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AttestRefused } from '../attest-refused.ts';

/** Bytes of the file; undefined when there is none. @throws AttestRefused KEY_BAD when others may read it; TOO_LARGE */
export async function readPrivate(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
  const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    // Of the open file, so that what is looked at is what is read.
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) throw new AttestRefused('KEY_BAD', `${path} can be read by others; chmod 600 '${path}'`);
    if (size > bytesMax) throw new AttestRefused('TOO_LARGE', `${path} is larger than ${bytesMax} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

let drafts = 0;

/** Mode 0600 unless told. The folder is made 0700 when it is not there. Rejects with what the file system says. */
export async function writeWhole(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.${drafts++}.tmp`;
  try {
    const file = await open(draft, 'wx', mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    const handle = await open(folder, 'r');
    // Some file systems cannot sync a folder: then they need not.
    await handle.sync().catch(() => {});
    await handle.close();
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
