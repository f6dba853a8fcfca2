/** Reads statements: of the right form, canonical, and with claims that bear each other out. */
import { AttestRefused } from '../attest-refused.ts';
import { parseCanonicalJson } from '../json/parse-json.ts';
import { checkClaims } from './check-claims.ts';
import { type Statement, statementSchema } from './statement-schema.ts';

/** Largest statement, bytes. */
export const statementBytesMax = 524_288;

/** @throws AttestRefused STATEMENT_BAD with the field; CLAIM_UNSUPPORTED when one part of it belies another. */
export function readStatement(value: unknown): Statement {
  const parsed = statementSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AttestRefused('STATEMENT_BAD', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no statement'}`);
  }
  checkClaims(parsed.data);
  return parsed.data;
}

/** The payload of an envelope: canonical, or it is refused. @throws AttestRefused also JSON_BAD, JSON_NOT_CANONICAL */
export const parseStatement = (payload: Uint8Array): Statement =>
  readStatement(parseCanonicalJson(payload, statementBytesMax));
