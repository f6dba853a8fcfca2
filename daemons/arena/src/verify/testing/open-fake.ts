import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Verifier } from '../../contract/verifier.ts';
import { openVerification, type VerificationParts } from '../open-verification.ts';
import { verifyDefaults } from '../verify-settings.ts';
import { emptyRunner } from './sample-result.ts';

/** A verification of these verifiers with a clock that stands still, and what a run needs. */
export function openFake(verifiers: readonly Verifier[], more: Partial<VerificationParts> = {}) {
  const clock = new FakeClock();
  const parts = { verifiers, settings: verifyDefaults, runner: emptyRunner, clock, log: silentLogger, ...more };
  const signal = new AbortController().signal;
  return { ...openVerification(parts), clock, options: { tenant: 'acme', signal } };
}
