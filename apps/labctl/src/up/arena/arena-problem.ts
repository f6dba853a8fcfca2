/** What keeps the arena of `labctl up` from standing, as its operator should learn it. */
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import { CommandError } from '../../command-error.ts';
import type { Parts } from '../parts.ts';

/**
 * The note of a start that goes on without it.
 * @throws CommandError (exit 78) for a key-encryption key that is missing or another: only the operator can find it, and an
 *   arena that quietly stays away would be missed when it is too late.
 */
export function arenaProblem(error: Error, parts: Parts): string {
  if (!(error instanceof SecretsRefused)) return `answers are not verified: ${error.message}`;
  const others = [...parts].filter((part) => part !== 'arena').join(',');
  const hint = `labctl up --only ${others} starts without the arena`;
  throw new CommandError(error.message, { hint, exitCode: error.exitCode, cause: error });
}
