/** Which verifiers `labctl verify` uses: those that were named, else every one that the settings do not switch off. */
import { bracketVerifiers } from '@labmesh/arena/verify/bracket-verifiers';
import { everyVerifier } from '@labmesh/arena/verify/built-in-verifiers';
import { UnknownVerifier } from '@labmesh/arena/verify/unknown-verifier';
import type { VerifySettings } from '@labmesh/arena/verify/verify-settings';
import type { VerificationBlock } from '@labmesh/wire/verification/verification-block';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export const verifierNames: readonly string[] = everyVerifier.map(({ name }) => name);

export type ChosenVerifiers = {
  /** Those that have to pass, beside them. */
  needed: readonly string[];
  /** Undefined: no choice was made. The arena reads that differently from a list of all, so it is kept apart. */
  names: readonly string[] | undefined;
  /** One of them runs code: an executor is worth its start. */
  needSandbox: boolean;
};

/** @throws CommandError (exit 2) for a name that no verifier has */
export function chosenVerifiers(
  given: readonly string[],
  { verifiers }: VerifySettings,
  bracket: VerificationBlock['bracket'] = 'none',
): ChosenVerifiers {
  const unknown = given.find((name) => !verifierNames.includes(name));
  if (unknown !== undefined) {
    const { message } = new UnknownVerifier(unknown, verifierNames);
    throw new CommandError(`--verifier: ${message}`, { exitCode: exitCodes.usage });
  }
  const names = given.length === 0 ? undefined : given;
  const used = everyVerifier.filter(({ name }) => names?.includes(name) ?? verifiers[name]?.enabled !== false);
  const needed = bracketVerifiers[bracket];
  return { names, needed, needSandbox: needed.length > 0 || used.some(({ minLevel }) => minLevel !== null) };
}
