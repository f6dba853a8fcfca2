/**
 * What the rest of the arena asks of verifiers: candidates in, one aggregate for each out (V3, V5, V6).
 */
import type { Priority } from '@labmesh/wire/verification/priority';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Aggregate, Verdict } from '@labmesh/wire/verification/verdict';
import type { Candidate } from '../contract/candidate.ts';
import type { VerifierClass } from '../contract/verifier.ts';

export type VerifyOptions = {
  /** Verdicts are kept apart by tenant (P6), and places are shared by it. */
  tenant: string;
  /** Calls with the same object are of one run, and share the places that a run has (V5); absent: a run of its own. */
  run?: WeakKey | undefined;
  /** Of its checks and their jobs; absent: normal. */
  priority?: Priority | undefined;
  /** Verifiers to run, as the request named them; absent: those that are switched on. */
  names?: readonly string[] | undefined;
  /** Verifiers that run beside those, and that the answer has to pass: nothing to look at is a failure (BR1). */
  needed?: readonly string[] | undefined;
  /** The suite that the request named. */
  suite?: Suite | undefined;
  /** Aborting it rejects `verify` with the signal's reason at once. */
  signal: AbortSignal;
  /** Each verdict as it is known, once for every index, equal candidates too. A throw ends the run. */
  onVerdict?: ((index: number, verdict: Verdict) => void) | undefined;
  /** Each candidate's word as its last verdict is known: others may take long, or be cut off. A throw ends the run. */
  onAggregate?: ((index: number, aggregate: Aggregate) => void) | undefined;
};

/** One verifier as `/verifiers` shows it. */
export type VerifierView = {
  name: string;
  description: string;
  version: string;
  digest: string;
  class: VerifierClass;
  /** Its class in a word. */
  type: 'text' | 'parse' | 'tool' | 'execution';
  /** What it runs in: `in-process`, or the sandbox that it would have now; null = it has none now. */
  engine: string | null;
  /** Interpreters in that sandbox, with versions. */
  tools: Readonly<Record<string, string>>;
  minLevel: SandboxLevel | null;
  hard: boolean;
  /** Runs when a request names none. */
  enabled: boolean;
  /** offline: its level is not ready; degraded: the last check was an error. */
  status: 'online' | 'degraded' | 'offline';
  reason: string | null;
  /** Unix milliseconds; null before the first check. */
  lastCheck: number | null;
  /** Since the start; cached ones are no checks. */
  checks: number;
  cached: number;
  /** 0-1; null before the first. */
  cacheHitRate: number | null;
  /** Milliseconds over the last 256 checks; null before the first. */
  p50Ms: number | null;
  p95Ms: number | null;
};

export type Verification = {
  /**
   * Looks at each candidate once, equal ones together; same order as the candidates.
   * @throws UnknownVerifier for a name that is none
   */
  verify: (candidates: readonly Candidate[], options: VerifyOptions) => Promise<Aggregate[]>;
  /** @throws UnknownVerifier; for callers that want to refuse a request before it costs something */
  checkNames: (names: readonly string[]) => void;
  describe: () => Promise<VerifierView[]>;
};
