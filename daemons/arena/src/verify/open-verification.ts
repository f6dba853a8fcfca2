/** Builds the verification of a process: verifiers with their settings, the cache, the slots. */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { compareLevels, type LevelReport, type SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Verifier } from '../contract/verifier.ts';
import { aggregate } from './aggregate.ts';
import { activateVerifiers, chooseVerifiers } from './active-verifiers.ts';
import type { ActiveVerifier } from './pipeline/finding-verdict.ts';
import { checkClasses } from './pipeline/check-classes.ts';
import { groupEqual } from './pipeline/group-equal.ts';
import { createSlots } from './pipeline/slots.ts';
import { createVerdictCache } from './pipeline/verdict-cache.ts';
import { createVerifierStats, type VerifierStats } from './pipeline/verifier-stats.ts';
import type { Verification, VerifierView } from './verification.ts';
import type { VerifySettings } from './verify-settings.ts';

export type VerificationParts = {
  /** Built-in ones and those of the installation (`everyVerifier`). */
  verifiers: readonly Verifier[];
  settings: VerifySettings;
  runner: SandboxRunner;
  clock: Clock;
  log: Logger;
};

/** Of all runs of this process together. */
const checksPerProcess = 16;
/** The levels are asked for a page: it shall not wait for an executor that hangs. */
const levelsWaitMs = 2000;

async function levelsOf(runner: SandboxRunner, clock: Clock): Promise<readonly LevelReport[] | undefined> {
  const waiting = new AbortController();
  const late = clock.sleep(levelsWaitMs, waiting.signal).then(() => undefined);
  // Ended below when the levels came first.
  late.catch(() => undefined);
  try {
    return await Promise.race([runner.levels(), late]);
  } catch {
    return undefined;
  } finally {
    waiting.abort();
  }
}

type Standing = Pick<VerifierView, 'status' | 'reason'>;

function standingOf(
  active: ActiveVerifier,
  levels: readonly LevelReport[] | undefined,
  lastError: string | null,
): Standing {
  const { minLevel } = active.verifier;
  if (minLevel !== null && levels === undefined) return { status: 'offline', reason: 'the executor does not answer' };
  if (minLevel !== null && levels?.some(({ level, ready }) => ready && compareLevels(level, minLevel) >= 0) !== true) {
    const reason = levels?.find(({ level }) => level === minLevel)?.reason;
    return { status: 'offline', reason: reason ?? `${minLevel} is not ready, nor is a higher level` };
  }
  return lastError === null
    ? { status: 'online', reason: null }
    : { status: 'degraded', reason: `the last check gave ${lastError}` };
}

function viewOf(
  active: ActiveVerifier,
  levels: readonly LevelReport[] | undefined,
  stats: VerifierStats,
): VerifierView {
  const { verifier, digest, hard, enabled } = active;
  const { name, description, version, minLevel } = verifier;
  const { lastError, ...did } = stats.of(active);
  const standing = standingOf(active, levels, lastError);
  return { name, description, version, digest, class: verifier.class, minLevel, hard, enabled, ...standing, ...did };
}

/** A suite that cannot be hashed (nested too deep) shares its verdicts with no other run. */
function scopeOf(tenant: string, suite: Suite | undefined): string {
  try {
    return sha256Hex(canonicalBytes({ tenant, suite }));
  } catch {
    return crypto.randomUUID();
  }
}

/**
 * The verification of one process.
 * @throws UnknownVerifier, Error: settings that do not fit the verifiers
 */
export function openVerification({ verifiers, settings, runner, clock, log }: VerificationParts): Verification {
  const active = activateVerifiers(verifiers, settings);
  const slots = createSlots('verify.process', checksPerProcess);
  const cache = createVerdictCache(clock, settings.cacheMs);
  const stats = createVerifierStats(clock);
  return {
    checkNames: (names) => void chooseVerifiers(active, names),
    describe: async () => {
      const levels = await levelsOf(runner, clock);
      return active.map((one) => viewOf(one, levels, stats));
    },
    verify: async (candidates, { tenant, names, suite, signal, onVerdict }) => {
      const chosen = chooseVerifiers(active, names);
      const groups = groupEqual(candidates);
      // Whatever still runs when this call ends has nobody who waits for it.
      const own = new AbortController();
      const ended = AbortSignal.any([signal, own.signal]);
      try {
        await checkClasses(
          {
            context: { runner, suite, signal: ended },
            errorRetries: settings.errorRetries,
            now: () => clock.now(),
            log,
            slots,
            cache,
            stats,
            scope: scopeOf(tenant, suite),
            tell: ({ indices }, verdict) => indices.forEach((index) => onVerdict?.(index, verdict)),
          },
          chosen,
          groups,
        );
      } finally {
        own.abort();
      }
      const results = new Map(groups.flatMap((group) => group.indices.map((index) => [index, group] as const)));
      return candidates.map((_, index) => {
        const verdicts = results.get(index)?.verdicts;
        const inOrder = chosen.map((one) => verdicts?.get(one)).filter((verdict) => verdict !== undefined);
        return aggregate(inOrder, settings.softPenalty);
      });
    },
  };
}
