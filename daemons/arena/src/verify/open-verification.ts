/** Builds the verification of a process: verifiers with their settings, the cache, the slots. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Verifier } from '../contract/verifier.ts';
import { aggregate } from './aggregate.ts';
import { activateVerifiers, chooseVerifiers } from './active-verifiers.ts';
import { checkClasses, checksPerRun, type Group } from './pipeline/check-classes.ts';
import { describeVerifiers } from './pipeline/describe-verifiers.ts';
import { groupEqual } from './pipeline/group-equal.ts';
import { createSlots, type Slots } from './pipeline/slots.ts';
import { createVerdictCache, scopeOf } from './pipeline/verdict-cache.ts';
import { createVerifierStats } from './pipeline/verifier-stats.ts';
import type { Verification } from './verification.ts';
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
/**
 * The verification of one process.
 * @throws UnknownVerifier, Error: settings that do not fit the verifiers
 */
export function openVerification({ verifiers, settings, runner, clock, log }: VerificationParts): Verification {
  const active = activateVerifiers(verifiers, settings);
  const slots = createSlots('verify.process', checksPerProcess, clock);
  const runs = new WeakMap<WeakKey, Slots>();
  /** Answers of a run come one by one, and wait for each other's checks all the same. */
  const slotsOf = (run: WeakKey): Slots => {
    const own = runs.get(run) ?? createSlots('verify.run', checksPerRun, clock);
    runs.set(run, own);
    return own;
  };
  const cache = createVerdictCache(clock, settings.cacheMs);
  const stats = createVerifierStats(clock);
  return {
    checkNames: (names) => void chooseVerifiers(active, names),
    describe: () => describeVerifiers(active, { runner, clock, stats }),
    verify: async (candidates, options) => {
      const { tenant, run = {}, priority = 'normal', names, needed = [], suite, signal } = options;
      const chosen = chooseVerifiers(active, names, needed);
      const groups = groupEqual(candidates);
      const aggregateOf = (group: Group | undefined) => {
        const inOrder = chosen.map((one) => group?.verdicts.get(one)).filter((verdict) => verdict !== undefined);
        return aggregate(inOrder, settings.softPenalty);
      };
      // Whatever still runs when this call ends has nobody who waits for it.
      const own = new AbortController();
      const ended = AbortSignal.any([signal, own.signal]);
      try {
        await checkClasses(
          {
            whose: { tenant, priority },
            context: { runner, suite, signal: ended },
            errorRetries: settings.errorRetries,
            now: () => clock.now(),
            log,
            slots,
            runSlots: slotsOf(run),
            cache,
            stats,
            scope: scopeOf(tenant, suite),
            needed,
            tell: (group, verdict) => {
              for (const index of group.indices) options.onVerdict?.(index, verdict);
              if (group.verdicts.size < chosen.length) return;
              const whole = aggregateOf(group);
              for (const index of group.indices) options.onAggregate?.(index, whole);
            },
          },
          chosen,
          groups,
        );
      } finally {
        own.abort();
      }
      const results = new Map(groups.flatMap((group) => group.indices.map((index) => [index, group] as const)));
      return candidates.map((_, index) => aggregateOf(results.get(index)));
    },
  };
}
