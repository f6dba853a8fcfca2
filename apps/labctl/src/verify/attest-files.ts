/**
 * The files of `labctl cert`: certificates and trust files from anywhere, and the issuer's folder in the data folder.
 * What is named and cannot be read is a usage error (exit 2), so that exit 1 always means: looked at, and not valid.
 */
import { createReadStream, promises } from 'node:fs';
import { join } from 'node:path';
import { type AttestCode, AttestRefused } from '@labmesh/attest/attest-refused';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { publicKeyFromPem } from '@labmesh/attest/keys/public-key';
import { followTrust } from '@labmesh/attest/keys/follow-trust';
import { parseTrust, type Trust, trustInKey } from '@labmesh/attest/keys/trust';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataFolderPath } from '../data-folder.ts';
import { exitCodes } from '../exit-codes.ts';

/** Keys, trust file, revocations and log of the issuer on this machine. It need not be there. */
export const issuerFolder = (data: string | undefined, env: Environment): string =>
  join(dataFolderPath(data, env), 'attest');

const missing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Largest file that is read, bytes: a response. Everything else has smaller bounds of its own. */
const fileBytesMax = 64 * 1024 * 1024;

/** At most one byte more than the bound, whatever the file says of its size. */
async function readBounded(path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  // The end is included.
  for await (const chunk of createReadStream(path, { end: fileBytesMax })) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** Bytes of a file that was named. @throws CommandError (exit 2) */
export async function readNamed(path: string | undefined, what: string): Promise<Uint8Array> {
  if (path === undefined) throw new CommandError(`${what}: no file was named`, { exitCode: exitCodes.usage });
  let bytes: Uint8Array;
  try {
    bytes = await readBounded(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandError(`${what}: ${path} cannot be read (${code})`, { exitCode: exitCodes.usage, cause: error });
  }
  if (bytes.length <= fileBytesMax) return bytes;
  throw new CommandError(`${what}: ${path} is larger than 64 MiB`, { exitCode: exitCodes.usage });
}

/** Bytes of a file that need not be there. */
async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await promises.readFile(path);
  } catch (error) {
    if (missing(error)) return undefined;
    throw error;
  }
}

/** Refusals that have a way out, and the exit codes that other commands give for the same. */
const hints: Partial<Record<AttestCode, { hint: string; exitCode: number }>> = {
  LOG_LOCKED: { hint: 'stop it, or ask it to do this', exitCode: exitCodes.conflict },
  KEY_NOT_FOUND: { hint: 'labctl cert keys list shows them', exitCode: exitCodes.notFound },
  KMS_AWAY: { hint: 'labctl doctor looks at it', exitCode: exitCodes.unreachable },
  KMS_REFUSED: { hint: 'labctl doctor looks at it', exitCode: exitCodes.denied },
  KEY_WINDOW: { hint: 'labctl cert keys list shows when', exitCode: exitCodes.conflict },
};

/** What a refusal, or one of the file system, means to the person; `exitCode` where the table has none. */
export function refusedError(error: unknown, about: string, exitCode: number = exitCodes.failed): unknown {
  if (!(error instanceof AttestRefused)) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    return /^E[A-Z]+$/.test(code) ? new CommandError(`${about}: ${code}`, { cause: error }) : error;
  }
  return new CommandError(`${about}: ${error.message} (${error.code})`, {
    exitCode,
    code: error.code,
    ...hints[error.code],
    cause: error,
  });
}

/** The flags that say whom to trust, as they were given. */
export type TrustFlags = {
  key?: string | undefined;
  trust?: string | undefined;
  /** A newer trust file: trusted as far as keys of the first one speak for its keys. */
  follow?: string | undefined;
  data?: string | undefined;
};

export type KnownTrust = {
  trust: Trust;
  /** Where it came from, for the text. */
  source: string;
  /** Only a key is known: nothing of a log, nothing of revocations. */
  isKeyAlone: boolean;
};

async function trustOfFile(path: string, what: string): Promise<KnownTrust> {
  const bytes = await readNamed(path, what);
  try {
    return { trust: parseTrust(bytes), source: path, isKeyAlone: false };
  } catch (error) {
    throw refusedError(error, path, exitCodes.usage);
  }
}

/** Whom to trust: --key, --trust, or the issuer in the data folder; and whom these name. @throws CommandError (exit 2) */
export async function readTrust(flags: TrustFlags, env: Environment): Promise<KnownTrust> {
  const known = await readFirstTrust(flags, env);
  if (flags.follow === undefined) return known;
  if (known.isKeyAlone) {
    throw new CommandError('--follow needs --trust: a key alone names no issuer', { exitCode: exitCodes.usage });
  }
  const next = await trustOfFile(flags.follow, '--follow');
  try {
    return { ...next, trust: await followTrust(known.trust, next.trust, Date.now()) };
  } catch (error) {
    throw refusedError(error, `--follow: ${flags.follow}`, exitCodes.usage);
  }
}

async function readFirstTrust({ key, trust, data }: TrustFlags, env: Environment): Promise<KnownTrust> {
  if (key !== undefined && trust !== undefined) {
    throw new CommandError('--key and --trust: one of them', { exitCode: exitCodes.usage });
  }
  if (trust !== undefined) return await trustOfFile(trust, '--trust');
  if (key !== undefined) {
    const pem = new TextDecoder().decode(await readNamed(key, '--key'));
    try {
      return { trust: trustInKey(publicKeyFromPem(pem)), source: key, isKeyAlone: true };
    } catch (error) {
      throw refusedError(error, `--key: ${key}`, exitCodes.usage);
    }
  }
  const path = join(issuerFolder(data, env), folderFiles.trust);
  if ((await readIfThere(path)) !== undefined) return await trustOfFile(path, path);
  throw new CommandError('nobody is trusted: no key was named, and there is no issuer in the data folder', {
    hint: 'name a public key with --key, or a trust file with --trust',
    exitCode: exitCodes.usage,
  });
}

/** The list that was named, else the issuer's own where its trust file is what is used; undefined = there is none. */
export async function readRevocationList(
  flags: TrustFlags & { revocations?: string | undefined },
  env: Environment,
): Promise<Uint8Array | undefined> {
  if (flags.revocations !== undefined) return await readNamed(flags.revocations, '--revocations');
  if (flags.key !== undefined || flags.trust !== undefined) return undefined;
  return await readIfThere(join(issuerFolder(flags.data, env), folderFiles.revocations));
}
