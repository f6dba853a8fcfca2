/**
 * Changes to the issuer in the data folder, by one process at a time: two that rotate at once would each announce a key
 * that the other's file does not know.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Revocation, revocationEntry } from '@labmesh/attest/certificate/revocations';
import { revokeInFolder, type Revoked } from '@labmesh/attest/certificate/revoke-in-folder';
import { folderFiles, openKeyRing } from '@labmesh/attest/keys/key-folder';
import { lockFolder, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { askIssuer } from './ask-issuer.ts';
import { issuerError, type IssuerKeys } from './issuer-keys.ts';

/** Runs with the folder's lock. @throws CommandError for what is refused */
export async function asIssuer<T>(folder: string, run: () => Promise<T>): Promise<T> {
  try {
    using _lock = lockFolder(folder);
    return await run();
  } catch (error) {
    throw issuerError(error, folder);
  }
}

/** Looked for first: a question must not leave a folder behind. @throws CommandError (exit 3) when there are none */
function needKeys({ path }: IssuerKeys): void {
  if (existsSync(join(path, folderFiles.keys))) return;
  throw new CommandError(`there are no keys in ${path}`, {
    hint: 'labctl cert keys rotate makes the first ones',
    exitCode: exitCodes.notConfigured,
  });
}

type KeyRing = Awaited<ReturnType<typeof openKeyRing>>;

/**
 * The same with the keys that are there. @param now Unix milliseconds
 * @throws CommandError (exit 3) when there are none, or they do not open
 */
export async function withKeys<T>(keys: IssuerKeys, now: number, run: (ring: KeyRing) => Promise<T>): Promise<T> {
  needKeys(keys);
  return await asIssuer(keys.path, async () => run(await openKeyRing(keys, now)));
}

/**
 * Puts a revocation on the list, for verifiers, and into the log, for everybody.
 * @param now Unix milliseconds
 * @throws CommandError, with the code LOG_LOCKED when another process has the log
 */
export async function revokeHere(keys: IssuerKeys, one: Revocation, now: number): Promise<Revoked> {
  needKeys(keys);
  const logPath = join(keys.path, folderFiles.log);
  // Before the keys: an arena that has the log opens them, also where the person at the terminal cannot.
  await asIssuer(keys.path, async () => lockFolder(logPath)[Symbol.dispose]());
  return await withKeys(keys, now, async ({ log }) => {
    // Opened before anything is changed: an arena that holds it writes the list too.
    using open = await openLogFolder(logPath, log.origin, log.signer);
    const revoked = await revokeInFolder(keys, one, now);
    await open.log.append([revocationEntry(one)]);
    return revoked;
  });
}

export const isLocked = (error: unknown): error is CommandError =>
  error instanceof CommandError && error.code === 'LOG_LOCKED';

/** By the arena that has the log. @param locked what is thrown when nobody is there to ask */
export async function revokeByArena(folder: string, one: Revocation, locked: CommandError): Promise<Revoked> {
  const asked = await askIssuer(folder, one).catch((refused: unknown) => {
    throw issuerError(refused, folder);
  });
  if (asked === undefined) throw locked;
  return asked;
}
