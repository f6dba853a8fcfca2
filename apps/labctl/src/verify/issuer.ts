/** Changes to the issuer in the data folder, by one process at a time. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import { type Revocation, revocationPayloadType, signRevocation } from '@labmesh/attest/certificate/revocations';
import { pae, readEnvelope } from '@labmesh/attest/dsse/envelope';
import { parseJson } from '@labmesh/attest/json/parse-json';
import { folderFiles, openKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing } from '@labmesh/attest/keys/key-ring';
import { lockFolder, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { entryBytes } from '@labmesh/attest/merkle/log-entry';
import { sha256Hex } from '@labmesh/attest/sha256';
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

/** Puts revocations on the list, for verifiers, and into the log, for everybody. @param now Unix milliseconds */
export async function publishRevocation(folder: string, ring: KeyRing, one: Revocation, now: number): Promise<void> {
  await writeRevocations(folder, ring, now, [one]);
  const { signer } = keyInForce(ring, 'revocation', now);
  const envelope = readEnvelope(parseJson(await signRevocation(one, signer)));
  const sha256 = sha256Hex(pae(revocationPayloadType, envelope.payload));
  const id = one.certificate_id ?? one.keyid ?? one.verifier_digest ?? '';
  using open = await openLogFolder(join(folder, folderFiles.log), ring.log.origin, ring.log.signer);
  await open.log.append([entryBytes({ v: 1, kind: 'revocation', id, sha256, time: one.time })]);
}
