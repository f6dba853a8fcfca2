/**
 * A certificate report for people. The verdict comes first and in capitals; what was proven and what was not stand one
 * below the other, since a reader takes the silence about a thing for a yes. Everything in it may come from a stranger's
 * file, so all of it goes through `safeText`.
 */
import type { CertificateReport, Verdict } from '@labmesh/attest/certificate/certificate-report';
import { renderFields } from '../output/result.ts';
import { safeText } from '../terminal/safe-text.ts';

const verdictText: Readonly<Record<Verdict, string>> = {
  valid: 'VALID',
  invalid: 'INVALID',
  revoked: 'REVOKED',
  expired: 'EXPIRED',
  revocation_unknown: 'REVOCATION UNKNOWN',
};

type Proven = CertificateReport['proven'][number];

/** Who found it: `code_linter 1.2.0 at SANDBOX_L1_NAMESPACE`; '' when it is not a verifier's word. */
const byText = ({ verifiers }: Proven): string =>
  verifiers.map(({ name, version, level }) => `${name} ${version}${level === null ? '' : ` at ${level}`}`).join(', ');

/** What the statement says of itself; '' while nothing in it could be believed. */
function fieldsOf({ certificate, signedBy, log, isolation }: CertificateReport): string {
  if (certificate === undefined) return '';
  const { id, bracket, status, issuer, verifier, model, issuedAt, expiresAt } = certificate;
  return renderFields([
    ['Certificate', `${id} (${bracket}, ${status})`],
    ['Issuer', issuer],
    ['Verifier', verifier],
    ['Model', `${model.id}, digest ${model.digest}`],
    ['Issued', issuedAt],
    ['Expires', expiresAt ?? 'never'],
    ['Signed by', signedBy],
    ['Logged', log === undefined ? 'not looked at' : `${log.origin}, entry ${log.index} of ${log.size}, ${log.time}`],
    ['Isolation', isolation ?? 'no sandbox was used'],
  ]);
}

/** A heading with a line for each; '' without any. */
const listed = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : `\n${title}\n${lines.map((line) => `  ${safeText(line)}\n`).join('')}`;

/** The whole text, ending in a newline. */
export function reportText(report: CertificateReport): string {
  const { verdict, reason, code, proven, notProven } = report;
  const why = reason === undefined ? '' : `: ${safeText(reason)}${code === undefined ? '' : ` (${code})`}`;
  const provenLines = proven.map((one) => {
    const by = byText(one);
    return `${one.meaning}${by === '' ? '' : `  [${by}]`}`;
  });
  return [
    `${verdictText[verdict]}${why}\n`,
    fieldsOf(report),
    listed('Proven', provenLines),
    listed('Not proven', notProven),
  ].join('');
}
