/**
 * Signs what was verified. Who calls this has verified it: nothing here looks at an answer, it only refuses statements
 * that belie themselves.
 */
import { type EnvelopeJson, signedHash, signEnvelope } from '../dsse/envelope.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import type { Signer } from '../keys/signing-key.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { sha256Hex } from '../sha256.ts';
import { instantText } from '../statement/instant.ts';
import { saltBytes, saltedDigest } from '../statement/salted-digest.ts';
import { predicateType, type Statement, statementPayloadType, statementType } from '../statement/statement-schema.ts';
import { readStatement } from '../statement/statement.ts';
import { bundleBytes } from './bundle.ts';

/** What a certificate is about. */
export type Subjects = { response: Json; request: Json; trajectory: Json };

type Predicate = Statement['predicate'];

/** Omit would lose the named fields of an object that may have others too. */
type Without<T, K> = { [P in keyof T as P extends K ? never : P]: T[P] };

export type CertificateInput = {
  subjects: Subjects;
  verifier: Predicate['verifier'];
  /** Unix milliseconds: when the last verifier ended. */
  verifiedAt: number;
  /** Unix milliseconds. */
  issuedAt: number;
  /** Hours from `issuedAt`; plain addition. Undefined = it does not expire. */
  validityHours: number | undefined;
  properties: readonly string[];
  labmesh: Without<Predicate['labmesh'], 'issued_at' | 'expires_at' | 'salt_sha256'>;
};

export type IssuedCertificate = {
  dsse: EnvelopeJson;
  salt: Uint8Array<ArrayBuffer>;
  statement: Statement;
  /** To be added to the log. Until it is there the certificate is pending. */
  entry: Uint8Array<ArrayBuffer>;
};

const hourMs = 3_600_000;

/** @throws AttestRefused STATEMENT_BAD, CLAIM_UNSUPPORTED */
export async function issueCertificate(
  input: CertificateInput,
  signers: readonly Signer[],
): Promise<IssuedCertificate> {
  const { subjects, verifier, verifiedAt, issuedAt, validityHours, properties, labmesh } = input;
  const salt = crypto.getRandomValues(new Uint8Array(saltBytes));
  const statement = readStatement({
    _type: statementType,
    subject: (['response', 'request', 'trajectory'] as const).map((name) => ({
      name,
      digest: { sha256: saltedDigest(salt, subjects[name]) },
    })),
    predicateType,
    predicate: {
      verifier,
      timeCreated: instantText(verifiedAt),
      properties: [...properties],
      labmesh: {
        ...labmesh,
        issued_at: instantText(issuedAt),
        expires_at: validityHours === undefined ? null : instantText(issuedAt + validityHours * hourMs),
        salt_sha256: sha256Hex(salt),
      },
    },
  });
  const payload = canonicalBytes(statement);
  const dsse = await signEnvelope(statementPayloadType, payload, signers);
  const sha256 = signedHash({ payloadType: statementPayloadType, payload });
  const time = instantText(issuedAt);
  const entry = entryBytes({ v: 1, kind: 'certificate', id: labmesh.certificate_id, sha256, time });
  return { dsse, salt, statement, entry };
}

/** The bundle's file. With the salt it is the tenant's; without it, for everybody. */
export const certificateFile = (
  { dsse, salt, statement }: IssuedCertificate,
  tlogProof: string | undefined,
  for_: 'tenant' | 'everybody' = 'tenant',
): Uint8Array<ArrayBuffer> =>
  bundleBytes({ dsse, tlogProof, salt: for_ === 'tenant' ? salt : undefined, statement: statement as Json });
