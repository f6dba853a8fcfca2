/** A backup as it streams in, into a file that is whole and readable, or is not there (BK-1). */
import { open, rename, rm } from 'node:fs/promises';
import { openBackup } from '@labmesh/labd/backup/backup-file';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export type WriteBackup = {
  out: string;
  passphrase: string;
  /** Begins only after the file could be made. */
  open: () => Promise<AsyncIterable<Uint8Array>>;
  onBytes: (bytes: number) => void;
};

const cannot = (path: string, error: unknown) => {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  if (code === 'EEXIST') {
    return new CommandError(`${path} is there already`, {
      hint: 'a backup never takes the place of another: choose another name',
      exitCode: exitCodes.conflict,
    });
  }
  return new CommandError(`${path} cannot be written (${code})`, { exitCode: exitCodes.failed, cause: error });
};

async function receive({ out, open: begin, onBytes }: WriteBackup, draft: string): Promise<number> {
  const file = await open(draft, 'wx', 0o600).catch((error: unknown) => Promise.reject(cannot(out, error)));
  try {
    let bytes = 0;
    for await (const part of await begin()) {
      await file.writeFile(part).catch((error: unknown) => Promise.reject(cannot(out, error)));
      bytes += part.length;
      onBytes(bytes);
    }
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

/** Reads the draft to its end: a connection that was cut ends like one that is over. @throws FleetError */
async function check(draft: string, passphrase: string): Promise<number> {
  let plain = 0;
  for await (const piece of (await openBackup(draft, passphrase)).content()) plain += piece.length;
  return plain;
}

/** Bytes of the file. @throws CommandError; FleetError for a backup that did not come whole; what `open` throws */
export async function writeBackup(options: WriteBackup): Promise<number> {
  const { out, passphrase } = options;
  // Holds the name from the start, so that nothing that takes minutes fails at its end.
  const place = await open(out, 'wx', 0o600).catch((error: unknown) => Promise.reject(cannot(out, error)));
  await place.close();
  const draft = `${out}.${crypto.randomUUID()}.tmp`;
  try {
    const bytes = await receive(options, draft);
    await check(draft, passphrase);
    await rename(draft, out);
    return bytes;
  } catch (error) {
    await rm(draft, { force: true });
    await rm(out, { force: true });
    throw error;
  }
}
