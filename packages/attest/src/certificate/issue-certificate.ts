/**
 * Signs what was verified. Who calls this has verified it: nothing here looks at an answer, it only refuses statements
 * that belie themselves.
 */
import { type EnvelopeJson, signedHash, signEnvelope } from '../dsse/envelope.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import type { Signer } from '../keys/signing-key.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { sha256Hex } from '../sha256.ts';
import { instantOf, instantText } from '../statement/instant.ts';
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
  /** Of the PAE: what the log's entry names. */
  sha256: string;
  /** To be added to the log. Until it is there the certificate is pending. */
  entry: Uint8Array<ArrayBuffer>;
};

const hourMs = 3_600_000;

/** What will be signed. It holds no text of prompt or answer: their digests, and the salt that is in them. */
export type CertificateDraft = { statement: Statement; salt: Uint8Array<ArrayBuffer> };

/** @throws AttestRefused STATEMENT_BAD, CLAIM_UNSUPPORTED */
export function draftCertificate(input: CertificateInput): CertificateDraft {
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
  return { statement, salt };
}

/** The same, issued at another moment (Unix ms) and valid as long: for one that had to wait for its signature. */
export function redated({ statement, salt }: CertificateDraft, issuedAt: number): CertificateDraft {
  const { labmesh } = statement.predicate;
  const validMs = labmesh.expires_at === null ? null : instantOf(labmesh.expires_at) - instantOf(labmesh.issued_at);
  const times = {
    issued_at: instantText(issuedAt),
    expires_at: validMs === null ? null : instantText(issuedAt + validMs),
  };
  const predicate = { ...statement.predicate, labmesh: { ...labmesh, ...times } };
  return { statement: readStatement({ ...statement, predicate }), salt };
}

/** @throws AttestRefused KMS_… when a signer is in a service that does not sign */
export async function signDraft(
  { statement, salt }: CertificateDraft,
  signers: readonly Signer[],
): Promise<IssuedCertificate> {
  const payload = canonicalBytes(statement);
  const dsse = await signEnvelope(statementPayloadType, payload, signers);
  const sha256 = signedHash({ payloadType: statementPayloadType, payload });
  const { certificate_id: id, issued_at: time } = statement.predicate.labmesh;
  return { dsse, salt, statement, sha256, entry: entryBytes({ v: 1, kind: 'certificate', id, sha256, time }) };
}

/** @throws AttestRefused as the two above */
export const issueCertificate = async (
  input: CertificateInput,
  signers: readonly Signer[],
): Promise<IssuedCertificate> => signDraft(draftCertificate(input), signers);

/** The bundle's file. With the salt it is the tenant's; without it, for everybody. */
export const certificateFile = (
  { dsse, salt, statement }: IssuedCertificate,
  tlogProof: string | undefined,
  for_: 'tenant' | 'everybody' = 'tenant',
): Uint8Array<ArrayBuffer> =>
  bundleBytes({ dsse, tlogProof, salt: for_ === 'tenant' ? salt : undefined, statement: statement as Json });
