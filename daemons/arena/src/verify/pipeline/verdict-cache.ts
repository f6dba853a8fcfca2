/**
 * Verdicts that were reached a moment ago: one for each (verifier with its configuration, suite, tenant, candidate), so
 * that an anchor is never verified twice (V5). Errors are not kept: nothing was learned.
 */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Clock } from '@labmesh/kit/clock';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { Candidate } from '../../contract/candidate.ts';

/** Entries; each is at most some 36 KiB (verdictLimits). The one that was used longest ago goes first. */
export const verdictCacheMost = 2048;

export type VerdictCache = {
  get: (key: string) => Verdict | undefined;
  put: (key: string, verdict: Verdict) => void;
};

export function createVerdictCache(clock: Clock, keepMs: number, most: number = verdictCacheMost): VerdictCache {
  const entries = new Map<string, { verdict: Verdict; until: number }>();
  return {
    get: (key) => {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      if (entry.until <= clock.now()) return undefined;
      // Last again in the order of use.
      entries.set(key, entry);
      return structuredClone(entry.verdict);
    },
    put: (key, verdict) => {
      if (verdict.status === 'error' || keepMs <= 0) return;
      entries.delete(key);
      // A copy on both ways: who holds a verdict may change it, and must not change that of another run.
      entries.set(key, { verdict: structuredClone(verdict), until: clock.now() + keepMs });
      const oldest = entries.keys().next();
      if (entries.size > most && oldest.done === false) entries.delete(oldest.value);
    },
  };
}

/**
 * What tells candidates apart for verifiers: the answer, and what the caller said for them (tools, schema, metadata).
 * Undefined when that cannot be hashed: such a candidate is equal to no other.
 */
export function candidateKey(candidate: Candidate): string | undefined {
  const { digest, tools, expectedSchema, metadata } = candidate;
  try {
    return sha256Hex(canonicalBytes({ digest, tools, expectedSchema, metadata }));
  } catch {
    return undefined;
  }
}

/**
 * What beside verifier and candidate makes a verdict another. A suite that cannot be hashed (nested too deep) shares its
 * verdicts with no other run.
 */
export function scopeOf(tenant: string, suite: Suite | undefined): string {
  try {
    return sha256Hex(canonicalBytes({ tenant, suite }));
  } catch {
    return crypto.randomUUID();
  }
}
