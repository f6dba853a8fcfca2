/** A certificate report for people: what was proven and what was not, one below the other. */
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

const byText = ({ verifiers }: Proven): string =>
  verifiers.map(({ name, version, level }) => `${name} ${version}${level === null ? '' : ` at ${level}`}`).join(', ');

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
