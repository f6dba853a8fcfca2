/**
 * `~/.labctl/credentials/<context>.pem` (CT-5): key, certificate, chain and the CA's bundle of one context. The file
 * itself is pki's; here are its place, its mode and the words for people.
 */
import { chmod, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IdentityFileError, readIdentity, type StoredIdentity, writeIdentity } from '@labmesh/pki/identity-file';
import { parseSpiffeId } from '@labmesh/pki/spiffe-id';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { credentialsPath, labctlFolder } from '../config/config-paths.ts';
import { exitCodes } from '../exit-codes.ts';

export type Credentials = StoredIdentity & {
  path: string;
  /** Of the fleet that issued them. */
  trustDomain: string;
};

/** Undefined when nobody is logged in. @throws CommandError (exit 3) for a file that others can read, or a broken one */
export async function readCredentials(env: Environment, context: string): Promise<Credentials | undefined> {
  const path = credentialsPath(env, context);
  try {
    const stored = await readIdentity(path);
    if (stored === undefined) return undefined;
    const identity = parseSpiffeId(stored.certificate.uris[0] ?? '');
    if (identity === undefined) throw new IdentityFileError(`${path}: the certificate names nobody`, 'labctl login');
    return { ...stored, path, trustDomain: identity.trustDomain };
  } catch (error) {
    if (error instanceof IdentityFileError) {
      throw new CommandError(error.message, { hint: error.hint, exitCode: exitCodes.notConfigured, cause: error });
    }
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new CommandError(`${path} cannot be read (${code})`, { exitCode: exitCodes.notConfigured, cause: error });
  }
}

export type NewCredentials = Parameters<typeof writeIdentity>[1];

/** Writes them whole or not at all: 0600, in folders of 0700. @throws CommandError */
export async function saveCredentials(env: Environment, context: string, parts: NewCredentials): Promise<void> {
  const path = credentialsPath(env, context);
  try {
    for (const folder of [labctlFolder(env), dirname(path)]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
    }
    await writeIdentity(path, parts);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandError(`${path} cannot be written (${code})`, { cause: error });
  }
}

/** Forgets them; none there is fine. */
export async function removeCredentials(env: Environment, context: string): Promise<void> {
  await rm(credentialsPath(env, context), { force: true });
}
