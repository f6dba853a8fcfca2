/** What the two commands that revoke have in common: flags, ids, and who revokes and why, as it is told to everybody. */
import { type RevocationReason, revocationReasons } from '@labmesh/attest/certificate/revocations';
import { defineOptions } from '@labmesh/kit/options';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** CT7: a fixed list, because other programs decide by it. Needed; without a default, since none would be true. */
export const reasonOption = defineOptions({
  reason: {
    type: 'string',
    flag: 'reason',
    choices: revocationReasons,
    placeholder: 'WORD',
    help: 'why; it is told to everybody',
  },
});

/** As the fleet's commands have it. */
export const yesOption = defineOptions({
  yes: { type: 'boolean', flag: 'yes', short: 'y', default: false, help: 'do not ask before something is destroyed' },
});

/** @throws CommandError (exit 2) */
export function readReason(text: string | undefined): RevocationReason {
  const reason = revocationReasons.find((one) => one === text);
  if (reason !== undefined) return reason;
  throw new CommandError('--reason is missing', {
    hint: `one of ${revocationReasons.join(', ')}`,
    exitCode: exitCodes.usage,
  });
}

/**
 * The name of the person at the terminal, as far as the system tells. It is a remark for people and proves nothing: what
 * counts is the key that signs the list.
 */
export const revoker = (env: Environment): string => (env['USER'] || env['LOGNAME'] || 'operator').slice(0, 200);

/** A word from the command line that has to be an id. `hint` tells where to find it. @throws CommandError (exit 2) */
export function readId(text: string | undefined, pattern: RegExp, what: string, hint: string): string {
  if (text !== undefined && pattern.test(text)) return text;
  throw new CommandError(text === undefined ? `${what} is missing` : `this is not ${what}`, {
    hint,
    exitCode: exitCodes.usage,
  });
}
