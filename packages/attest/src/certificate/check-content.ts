import { type AttestCode, AttestRefused } from '../attest-refused.ts';
import type { Json } from '../json/canonical-json.ts';
import { sha256Hex } from '../sha256.ts';
import { saltedDigest } from '../statement/salted-digest.ts';
import type { Bundle } from './bundle.ts';

const refuse = (code: AttestCode, what: string) => new AttestRefused(code, what);

/** Salt and response against what was signed. @throws AttestRefused SALT_BAD, RESPONSE_DIFFERS */
export function checkContent({ salt, statement }: Bundle, response: Json | undefined): void {
  if (salt !== undefined && sha256Hex(salt) !== statement.predicate.labmesh.salt_sha256) {
    throw refuse('SALT_BAD', 'the salt is not the one that was signed');
  }
  if (response === undefined) return;
  if (salt === undefined) throw refuse('SALT_BAD', 'the bundle holds no salt to compare the response by');
  const signed = statement.subject.find(({ name }) => name === 'response')?.digest.sha256;
  if (signed !== saltedDigest(salt, response)) {
    throw refuse('RESPONSE_DIFFERS', 'the response is not the one that was certified');
  }
}
