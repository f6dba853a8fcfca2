/**
 * Changes to the issuer in the data folder, by one process at a time: two that rotate at once would each announce a key
 * that the other's file does not know.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Revocation, revocationEntry } from '@labmesh/attest/certificate/revocations';
import { revokeInFolder, type Revoked } from '@labmesh/attest/certificate/revoke-in-folder';
import { folderFiles, openKeyRing } from '@labmesh/attest/keys/key-folder';
import type { KeyRing } from '@labmesh/attest/keys/key-ring';
import { lockFolder, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { askIssuer } from './ask-issuer.ts';
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
 * Puts a revocation on the list, for verifiers, and into the log, for everybody.
 * @param now Unix milliseconds
 * @throws CommandError, with the code LOG_LOCKED when another process has the log
 */
export async function revokeHere(folder: string, one: Revocation, now: number): Promise<Revoked> {
  return await withKeys(folder, now, async ({ log }) => {
    // Opened before anything is changed: an arena that holds it writes the list too.
    using open = await openLogFolder(join(folder, folderFiles.log), log.origin, log.signer);
    const revoked = await revokeInFolder(folder, one, now);
    await open.log.append([revocationEntry(one)]);
    return revoked;
  });
}

export const isLocked = (error: unknown): error is CommandError =>
  error instanceof CommandError && error.code === 'LOG_LOCKED';

/** By the arena that has the log. @param locked what is thrown when nobody is there to ask */
export async function revokeByArena(folder: string, one: Revocation, locked: CommandError): Promise<Revoked> {
  const asked = await askIssuer(folder, one).catch((refused: unknown) => {
    throw refusedError(refused, folder);
  });
  if (asked === undefined) throw locked;
  return asked;
}
