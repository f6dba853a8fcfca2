/** Who revokes and why, as it is told to everybody. */
import { type RevocationReason, revocationReasons } from '@labmesh/attest/certificate/revocations';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** @throws CommandError (exit 2) */
export function readReason(text: string | undefined): RevocationReason {
  const reason = revocationReasons.find((one) => one === text);
  if (reason !== undefined) return reason;
  throw new CommandError('--reason is missing', {
    hint: `one of ${revocationReasons.join(', ')}`,
    exitCode: exitCodes.usage,
  });
}

/** The name of the person at the terminal, as far as the system tells. */
export const revoker = (env: Environment): string => (env['USER'] || env['LOGNAME'] || 'operator').slice(0, 200);
