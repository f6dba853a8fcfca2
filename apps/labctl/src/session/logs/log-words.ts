/** What the words of `labctl logs` mean: whose log, and from when (LG-1). */
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { durationExpectation, parseDuration } from '../../grammar/duration.ts';
import { formatRef, parseRef } from '../../grammar/resource-ref.ts';

export type LogScope = { of: 'server'; name: string } | { of: 'audit' };

const usage = (message: string, hint?: string) => new CommandError(message, { hint, exitCode: exitCodes.usage });

/** `server/web-1`, `web-1`, `audit`. @throws CommandError: exit 2; 1 for scopes of other phases */
export function readLogWords(words: readonly string[]): LogScope {
  if (words.length === 1 && words[0] === 'audit') return { of: 'audit' };
  if (words.length === 0)
    throw usage('whose log is missing', 'labctl logs web-1 -u nginx.service, or labctl logs audit');
  const ref = parseRef(words, { bare: 'server' });
  if (ref.type === 'server') return { of: 'server', name: ref.name };
  if (ref.type === 'app' || ref.type === 'bastion') {
    throw new CommandError(`logs of ${formatRef(ref)} are not part of this version (NOT_AVAILABLE)`, {
      code: 'NOT_AVAILABLE',
      hint: 'labctl logs server/<name> shows those of the machine it runs on',
    });
  }
  throw usage(`${formatRef(ref)} has no log`, 'logs are those of server/<name>, or audit');
}

/** Unix ms of `2h` (ago) or of a moment. @throws CommandError (exit 2) */
export function timeOf(flag: string, text: string, now: number): number {
  const span = parseDuration(text);
  if (span !== undefined) return Math.max(0, Math.round(now - span));
  const at = /^\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(at) && at >= 0) return at;
  throw usage(
    `${flag}: found ${JSON.stringify(text)}, expected ${durationExpectation}, or a time such as 2026-01-31T12:00:00Z`,
  );
}
