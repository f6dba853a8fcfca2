/** What a verifier says who has an issuer's files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { parseTrust } from '@labmesh/attest/keys/trust';

/** `valid`, `revoked`, or `invalid` with its code. @param folder of the issuer */
export async function verifyFrom(folder: string, bundle: string | undefined, response: string): Promise<string> {
  const report = await verifyCertificate(
    new TextEncoder().encode(bundle),
    parseTrust(readFileSync(join(folder, folderFiles.trust))),
    { now: Date.now(), response, revocations: readFileSync(join(folder, folderFiles.revocations)) },
  );
  return report.verdict === 'invalid' ? `invalid ${report.code}` : report.verdict;
}
