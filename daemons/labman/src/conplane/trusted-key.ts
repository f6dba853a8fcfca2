/** The hub's key that the operator let in at this machine, by `labman tunnel trust` (tunnel K5). */
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';

const pathIn = (stateDir: string) => join(stateDir, 'trusted');

/** A fingerprint or a WireGuard key; undefined: none. */
export const readTrusted = (stateDir: string): string | undefined =>
  readPrivateFile(pathIn(stateDir))?.trim() || undefined;
export const writeTrusted = (stateDir: string, key: string): void => writePrivateFile(pathIn(stateDir), `${key}\n`);
