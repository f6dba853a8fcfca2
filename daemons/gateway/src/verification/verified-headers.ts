import { verificationCertificateHeader, verificationStatusHeader } from '@labmesh/wire/verification/arena-run';
import type { Outcome } from '@labmesh/wire/verification/verdict';

/** One word for clients that know no outcomes (gateway G-31): `pending` = will be looked at, `skipped` = was not. */
export const labmeshVerificationHeader = 'x-labmesh-verification';
export type LabmeshVerification = 'passed' | 'failed' | 'pending' | 'skipped' | 'error';

const words: Readonly<Record<Outcome, LabmeshVerification>> = {
  valid: 'passed',
  invalid: 'failed',
  inconclusive: 'error',
  unchecked: 'skipped',
};

/** A header must not be made of what a model or an arena wrote. */
const plainId = /^[A-Za-z0-9._:-]{1,128}$/;

/** What an answer says of its verdict in its head; a certificate is named for a valid one only. */
export function verifiedHeaders(status: Outcome, certificateId: string | null): Array<readonly [string, string]> {
  const headers: Array<readonly [string, string]> = [
    [verificationStatusHeader, status],
    [labmeshVerificationHeader, words[status]],
  ];
  if (status === 'valid' && certificateId !== null && plainId.test(certificateId))
    headers.push([verificationCertificateHeader, certificateId]);
  return headers;
}

/** An answer that went on unseen since verification was away or late: no claim is made for it. */
export const uncheckedHeaders: ReadonlyArray<readonly [string, string]> = verifiedHeaders('unchecked', null);
