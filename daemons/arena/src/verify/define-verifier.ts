import type { Verifier } from '../contract/verifier.ts';

/** Forgets the type of the configuration: only the verifier's own schema ever makes one. */
export const defineVerifier = <C>(verifier: Verifier<C>): Verifier => verifier as unknown as Verifier;
