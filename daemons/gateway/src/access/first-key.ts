import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import type { KeyStore } from './key-store.ts';

export type FirstKey = {
  /** '' when it is not known any more, or when no key is needed. */
  text: string;
  /** Where it is kept, 0600. */
  file: string;
  /** Made by this start: its text is to be shown now and never again. */
  created: boolean;
};

/** The key made at the first start: made now, or read from its file while it is there and still good. */
export async function firstKey(keys: KeyStore, dataDir: string): Promise<FirstKey> {
  const file = join(dataDir, 'api.key');
  const text = readPrivateFile(file)?.trim() ?? '';
  if (text !== '' && keys.check(text) !== undefined) {
    // A copy or a restore may have opened it up.
    chmodSync(file, 0o600);
    return { text, file, created: false };
  }
  // Other keys are good: the operator took this one away or revoked it, and wants it so.
  if (keys.list().some((key) => key.revokedAt === undefined)) return { text: '', file, created: false };
  const made = await keys.create('first');
  writePrivateFile(file, `${made.text}\n`);
  return { text: made.text, file, created: true };
}
