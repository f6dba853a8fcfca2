/**
 * Changes to the issuer in the data folder, by one process at a time: two that rotate at once would each announce a key
 * that the other's file does not know.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import { type Revocation, revocationEntry } from '@labmesh/attest/certificate/revocations';
import { folderFiles, openKeyRing } from '@labmesh/attest/keys/key-folder';
import type { KeyRing } from '@labmesh/attest/keys/key-ring';
import { lockFolder, type OpenLog, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { refusedError } from './attest-files.ts';

/** Runs with the folder's lock. @throws CommandError for what is refused */
export async function asIssuer<T>(folder: string, run: () => Promise<T>): Promise<T> {
  try {
    using _lock = lockFolder(folder);
    return await run();
  } catch (error) {
    throw refusedError(error, folder);
  }
}

/** The same with the keys that are there. @param now Unix milliseconds @throws CommandError (exit 3) when there are none */
export async function withKeys<T>(folder: string, now: number, run: (ring: KeyRing) => Promise<T>): Promise<T> {
  // Looked for first: a question must not leave a folder behind.
  if (!existsSync(join(folder, folderFiles.keys))) {
    throw new CommandError(`there are no keys in ${folder}`, {
      hint: 'labctl cert keys rotate makes the first ones',
      exitCode: exitCodes.notConfigured,
    });
  }
  return await asIssuer(folder, async () => run(await openKeyRing(folder, now)));
}

/**
 * The issuer's log, alone. Opened before anything is changed: while an arena holds it, its list of revocations is
 * written by the arena too. @throws AttestRefused LOG_LOCKED, LOG_DAMAGED
 */
export const openIssuerLog = (folder: string, { log }: KeyRing): Promise<OpenLog> =>
  openLogFolder(join(folder, folderFiles.log), log.origin, log.signer);

/**
 * Puts a revocation on the list, for verifiers, and into the log, for everybody.
 * @param now Unix milliseconds
 * @throws AttestRefused REVOCATIONS_BAD when the list is full
 */
export async function publishRevocation(
  { folder, ring, open }: { folder: string; ring: KeyRing; open: OpenLog },
  one: Revocation,
  now: number,
): Promise<void> {
  // The list first: it is what cuts. An entry without it would only tell that somebody meant to.
  await writeRevocations(folder, ring, now, [one]);
  await open.log.append([revocationEntry(one)]);
}
