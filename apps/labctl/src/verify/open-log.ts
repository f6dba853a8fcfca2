/** The log of `labctl cert log`: read as a stranger would, without its lock and without private keys. */
import { join } from 'node:path';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import type { TrustedLog } from '@labmesh/attest/keys/trust';
import { type OpenedLog, readLog } from '@labmesh/attest/log/check-log';
import { folderDisk } from '@labmesh/attest/log/log-disk';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { issuerFolder, readTrust } from './attest-files.ts';

/** Which log, as the flags say. */
export type LogFlags = { log?: string | undefined; trust?: string | undefined; data?: string | undefined };

/** @throws CommandError (exit 2) when no log is trusted; AttestRefused when there is none, or it is not the one trusted */
export async function openTrustedLog(
  flags: LogFlags,
  env: Environment,
): Promise<{ log: OpenedLog; trusted: TrustedLog }> {
  const { trust, source } = await readTrust({ trust: flags.trust, data: flags.data }, env);
  if (trust.log === undefined) {
    throw new CommandError(`${source} names no log`, { exitCode: exitCodes.usage });
  }
  const folder = flags.log ?? join(issuerFolder(flags.data, env), folderFiles.log);
  return { log: await readLog(folderDisk(folder), trust.log), trusted: trust.log };
}
