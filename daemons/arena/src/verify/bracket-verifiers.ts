import type { VerificationBlock } from '@labmesh/wire/verification/verification-block';

/** Verifiers that a bracket's certificate needs, named or not (BR1). */
export const bracketVerifiers: Readonly<Record<VerificationBlock['bracket'], readonly string[]>> = {
  none: [],
  opencoder: ['security_audit', 'runtime_verifier'],
};
