/**
 * The certificate as a file, .labcert (spec CT5): the signed envelope, the proof that it is logged, the salt. The file
 * has one form, canonical JSON, so that no byte of it can change without the value changing.
 */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { type Envelope, type EnvelopeJson, readEnvelope } from '../dsse/envelope.ts';
import { toBase64 } from '../bytes/base64.ts';
import { equalBytes } from '../bytes/bytes.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { parseCanonicalJson } from '../json/parse-json.ts';
import { readSalt } from '../statement/salted-digest.ts';
import { type Statement } from '../statement/statement-schema.ts';
import { parseStatement } from '../statement/statement.ts';

export const bundleMediaType = 'application/vnd.labmesh.certificate-bundle.v1+json';

const schema = z.strictObject({
  mediaType: z.literal(bundleMediaType),
  dsse: z.strictObject({
    payload: z.string(),
    payloadType: z.string(),
    signatures: z.array(z.strictObject({ keyid: z.string(), sig: z.string() })),
  }),
  /** Absent while the entry is not logged yet. */
  tlog_proof: z.string().optional(),
  /** Absent in what is made public. */
  salt: z.string().optional(),
  /** What the payload says, for those who look into the file. It has to be the same. */
  statement: z.unknown().optional(),
});

export type Bundle = {
  envelope: Envelope;
  statement: Statement;
  tlogProof: string | undefined;
  salt: Uint8Array<ArrayBuffer> | undefined;
};

const refuse = (what: string) => new AttestRefused('BUNDLE_BAD', what);

/** Our own base64 is the standard one, padded: another spelling of the same bytes is not ours. */
function refuseOtherSpellings({ payload, signatures }: EnvelopeJson, envelope: Envelope): void {
  const spelled = [payload, ...signatures.map(({ sig }) => sig)];
  const bytes = [envelope.payload, ...envelope.signatures.map(({ sig }) => sig)];
  if (bytes.some((one, index) => toBase64(one) !== spelled[index])) throw refuse('base64 in another alphabet');
}

/**
 * Reads a file. Nothing in it is verified by that.
 * @throws AttestRefused BUNDLE_BAD, and as its parts' parsers do.
 */
export function parseBundle(file: Uint8Array): Bundle {
  const parsed = schema.safeParse(parseCanonicalJson(file));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a certificate bundle'}`);
  }
  const { dsse, tlog_proof, salt, statement: view } = parsed.data;
  const envelope = readEnvelope(dsse);
  refuseOtherSpellings(dsse, envelope);
  const statement = parseStatement(envelope.payload);
  if (view !== undefined && !equalBytes(canonicalBytes(view), envelope.payload)) {
    throw refuse('the statement shown is not the one that was signed');
  }
  return { envelope, statement, tlogProof: tlog_proof, salt: salt === undefined ? undefined : readSalt(salt) };
}

export type BundleParts = {
  dsse: EnvelopeJson;
  tlogProof?: string | undefined;
  salt?: Uint8Array | undefined;
  statement?: Json | undefined;
};

/** The bytes of a file. */
export const bundleBytes = ({ dsse, tlogProof, salt, statement }: BundleParts): Uint8Array<ArrayBuffer> =>
  canonicalBytes({ mediaType: bundleMediaType, dsse, tlog_proof: tlogProof, salt: salt?.toHex(), statement });
