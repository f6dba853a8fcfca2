/** How each verifier did since the start: what `/verifiers` shows. */
import type { Clock } from '@labmesh/kit/clock';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { VerifierView } from '../verification.ts';
import type { ActiveVerifier } from './finding-verdict.ts';

const durationsKept = 256;

type Stats = Pick<VerifierView, 'lastCheck' | 'checks' | 'cached' | 'p50Ms' | 'p95Ms'> & {
  /** Code of the last check when it was an error. */
  lastError: string | null;
};

export type VerifierStats = {
  checked: (active: ActiveVerifier, verdict: Verdict) => void;
  cached: (active: ActiveVerifier) => void;
  of: (active: ActiveVerifier) => Stats;
};

const quantile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;

export function createVerifierStats(clock: Clock): VerifierStats {
  type Kept = { lastCheck: number | null; checks: number; cached: number; lastError: string | null; ms: number[] };
  const kept = new Map<string, Kept>();
  const at = ({ verifier }: ActiveVerifier): Kept => {
    const known = kept.get(verifier.name);
    if (known !== undefined) return known;
    const begun: Kept = { lastCheck: null, checks: 0, cached: 0, lastError: null, ms: [] };
    kept.set(verifier.name, begun);
    return begun;
  };
  return {
    checked: (active, verdict) => {
      const one = at(active);
      one.ms[one.checks % durationsKept] = verdict.durationMs;
      one.checks++;
      one.lastCheck = clock.wall();
      one.lastError = verdict.status === 'error' ? (verdict.code ?? 'error') : null;
    },
    cached: (active) => void at(active).cached++,
    of: (active) => {
      const { ms, ...rest } = at(active);
      const sorted = ms.toSorted((a, b) => a - b);
      return { ...rest, p50Ms: quantile(sorted, 0.5), p95Ms: quantile(sorted, 0.95) };
    },
  };
}
