/** From what a verifier found to the verdict: who said it, bounded, fit to be hashed and signed (V1, V2). */
import { canonicalBytes, canonicalJson } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { type Verdict, verdictStatuses } from '@labmesh/wire/verification/verdict';
import type { Finding, Verifier } from '../../contract/verifier.ts';

export const verdictLimits = { messageChars: 2000, detailsBytes: 32 * 1024, grants: 16 } as const;

/** A verifier as this process runs it: settings applied. */
export type ActiveVerifier = {
  verifier: Verifier;
  config: unknown;
  hard: boolean;
  /** Runs when a request names none. */
  enabled: boolean;
  /** Hex SHA-256 over the canonical JSON of {name, version, config}. */
  digest: string;
};

/** @throws AttestRefused when the configuration is no JSON */
export const verifierDigest = (name: string, version: string, config: unknown): string =>
  sha256Hex(canonicalBytes({ name, version, config }));

/** Details hold pieces of answers, so whatever JSON cannot hold may stand in them. */
function boundDetails(details: Record<string, unknown>): Record<string, unknown> {
  try {
    // Keys and texts with lone surrogates are escaped by stringify; well-formed again after the replacement.
    const text = JSON.stringify(details).replace(/\\u[dD][89a-fA-F][0-9a-fA-F]{2}/g, '\\ufffd');
    if (text.length > verdictLimits.detailsBytes) return { truncated: true };
    const plain = JSON.parse(text) as Record<string, unknown>;
    canonicalJson(plain);
    return plain;
  } catch {
    return { truncated: true };
  }
}

function modifierOf({ status, scoreModifier = 1 }: Finding): number {
  if (status === 'failed') return 0;
  if (status !== 'passed') return 1;
  if (!Number.isFinite(scoreModifier)) throw new RangeError('scoreModifier is no number');
  return Math.min(1, Math.max(0, scoreModifier));
}

/** @throws RangeError, TypeError for a finding that is none: a score that is no number, another status */
export function verdictOf(active: ActiveVerifier, finding: Finding, durationMs: number): Verdict {
  const { verifier, digest, hard } = active;
  if (!verdictStatuses.includes(finding.status)) throw new RangeError('the status is none');
  const grants = finding.status === 'passed' ? (finding.grants ?? []).slice(0, verdictLimits.grants) : [];
  return {
    status: finding.status,
    pluginName: verifier.name,
    version: verifier.version,
    digest,
    message: finding.message.slice(0, verdictLimits.messageChars).toWellFormed(),
    details: boundDetails(finding.details),
    scoreModifier: modifierOf(finding),
    hard,
    level: finding.level ?? null,
    durationMs: Math.max(0, durationMs),
    evidenceSha256: finding.evidenceSha256 ?? null,
    code: finding.code ?? null,
    ...(grants.length > 0 && { grants }),
  };
}
