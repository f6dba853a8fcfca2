import { certificateFile, issueCertificate } from '@labmesh/attest/certificate/issue-certificate';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { pae } from '@labmesh/attest/dsse/envelope';
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { parseCanonicalJson } from '@labmesh/attest/json/parse-json';
import { leafHash, rootByInclusion } from '@labmesh/attest/merkle/merkle-tree';
import { statementPayloadType } from '@labmesh/attest/statement/statement-schema';
import {
  sampleFile,
  sampleInput,
  sampleIssuer,
  sampleNow,
  sampleTrust,
} from '@labmesh/attest/testing/sample-certificate';
import { type Rate, rate } from './rate.ts';

/** Units a second, each on one thread: signatures, whole certificates, inclusion proofs of 20 hashes, megabytes of JSON. */
export async function measureCertificates(): Promise<Record<string, Rate>> {
  const issuer = await sampleIssuer();
  const { statement } = await issueCertificate(sampleInput(), [issuer.signer]);
  const payload = canonicalBytes(statement);
  const message = pae(statementPayloadType, payload);
  const file = await sampleFile(issuer);
  const trust = sampleTrust(issuer);
  const options = { now: sampleNow, revocationsUnknown: true };
  const leaf = leafHash(payload);
  const path = Array.from({ length: 20 }, () => leaf);
  const megabytes = payload.length / 1e6;
  return {
    signs: await rate(() => {
      for (let count = 0; count < 100; count++) void issuer.signer.sign(message);
      return 100;
    }),
    certificates_issued: await rate(async () => {
      certificateFile(await issueCertificate(sampleInput(), [issuer.signer]), undefined);
      return 1;
    }),
    certificates_verified: await rate(async () => {
      await verifyCertificate(file, trust, options);
      return 1;
    }),
    inclusion_checks: await rate(() => {
      for (let count = 0; count < 100; count++) rootByInclusion(leaf, 12_345, 2 ** 20, path);
      return 100;
    }),
    canonical_json_mb: await rate(() => {
      for (let count = 0; count < 100; count++) canonicalBytes(statement);
      return 100 * megabytes;
    }),
    canonical_parse_mb: await rate(() => {
      for (let count = 0; count < 100; count++) parseCanonicalJson(payload);
      return 100 * megabytes;
    }),
  };
}
