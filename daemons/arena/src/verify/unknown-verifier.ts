import { didYouMean } from '@labmesh/kit/nearest';

/** A request or a setting names a verifier that is none: `verification_bad_option` for whoever asked. */
export class UnknownVerifier extends Error {
  readonly verifier: string;

  constructor(name: string, known: readonly string[]) {
    const shown = JSON.stringify(name.slice(0, 64).toWellFormed());
    const way = didYouMean(name, known) || `; there are ${known.join(', ') || 'none'}`;
    super(`there is no verifier ${shown}${way}`);
    this.name = 'UnknownVerifier';
    this.verifier = name;
  }
}
