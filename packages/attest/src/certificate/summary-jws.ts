/**
 * A certificate in brief, for headers and logs (spec CT5, CT6): a compact JWS that any JWT library checks against the key
 * set. It carries no evidence: whoever wants to know why verifies the bundle.
 */
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { rawEd25519 } from '../keys/public-key.ts';
import type { Signer } from '../keys/signing-key.ts';
import type { Trust } from '../keys/trust.ts';
import { instantOf } from '../statement/instant.ts';
import { isolationLevels, lowestLevel } from '../statement/properties.ts';
import type { Statement } from '../statement/statement-schema.ts';

/** Bytes of a summary: it has to fit into a header. */
export const summaryBytesMax = 1_024;

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const seconds = (instant: string) => Math.floor(instantOf(instant) / 1_000);

function claims({ subject, predicate }: Statement, logIndex: number | undefined) {
  const { labmesh, properties, verifier } = predicate;
  const levels = labmesh.verifiers.flatMap(({ level, status }) =>
    level === null || status === 'skipped' ? [] : [level],
  );
  const lowest = lowestLevel(levels);
  return {
    iss: verifier.id,
    sub: `sha256:${subject.find(({ name }) => name === 'response')?.digest.sha256 ?? ''}`,
    iat: seconds(labmesh.issued_at),
    ...(labmesh.expires_at !== null && { exp: seconds(labmesh.expires_at) }),
    cid: labmesh.certificate_id,
    status: labmesh.status,
    props: properties.map((name) => name.replace(/^LABMESH_/, '')),
    iso: lowest === undefined ? null : `L${isolationLevels.indexOf(lowest)}`,
    log_index: logIndex ?? null,
  };
}

/** @throws AttestRefused TOO_LARGE when it would not fit into 1 KiB */
export async function summaryJws(statement: Statement, signer: Signer, logIndex: number | undefined): Promise<string> {
  const header = { alg: 'EdDSA', typ: 'JWT', kid: signer.publicKey.keyid };
  const parts = [header, claims(statement, logIndex)].map((part) => base64url(utf8(JSON.stringify(part))));
  const signed = parts.join('.');
  const jws = `${signed}.${base64url(await signer.sign(utf8(signed)))}`;
  if (jws.length > summaryBytesMax)
    throw new AttestRefused('TOO_LARGE', `a summary has at most ${summaryBytesMax} bytes`);
  return jws;
}

/** The keys that sign certificates, as RFC 7517 and RFC 8037 write them. Others than Ed25519 sign no summaries. */
export const jwksOf = ({ keys }: Trust) => ({
  keys: keys
    .filter(({ usage, algorithm }) => usage === 'certificate' && algorithm === 'ed25519')
    .map((key) => ({
      kty: 'OKP',
      crv: 'Ed25519',
      use: 'sig',
      alg: 'EdDSA',
      kid: key.keyid,
      x: base64url(rawEd25519(key)),
    })),
});
