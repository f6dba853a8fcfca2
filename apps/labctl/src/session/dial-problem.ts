/** Why no link to labd came about: for people, and for whether another try may help. */
import { DialRefused } from '@labmesh/link/dial';
import { LinkClosed } from '@labmesh/link/link';
import { PeerRefused } from '@labmesh/pki/peer-refused';
import { socketCloseCodes } from '@labmesh/wire/frame/frame-types';
import { labdError, unreachable } from '../client/labd-error.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

const { unauthenticated, revoked, version, limit } = socketCloseCodes;

const codeOf = (error: unknown) => (error as { code?: unknown } | undefined)?.code;

/** labd knows who asks and will not have it, or cannot be trusted: the same try again gives the same. */
export function isRefused(error: unknown): boolean {
  if (error instanceof CommandError || error instanceof PeerRefused) return true;
  if (error instanceof DialRefused) return error.status >= 400 && error.status < 500 && error.status !== 429;
  const code = codeOf(error);
  return code === unauthenticated || code === revoked || code === version;
}

/** How long to wait before a first connection is tried again; undefined: what failed will fail again. */
export function dialRetryMs(error: unknown, defaultMs: number, random: number): number | undefined {
  const isBusy = error instanceof DialRefused ? error.status === 503 || error.status === 429 : codeOf(error) === limit;
  if (!isBusy) return undefined;
  // Never before the time that labd named; spread above it, so that many do not come back together (RL-2).
  return ((error instanceof DialRefused ? error.retryAfterMs : undefined) ?? defaultMs) * (1 + random / 2);
}

const closes: Readonly<Record<number, { text: string; code: string; exitCode: number; hint: string }>> = {
  [unauthenticated]: {
    text: 'it does not know this identity',
    code: 'UNAUTHENTICATED',
    exitCode: exitCodes.notConfigured,
    hint: 'labctl login',
  },
  [revoked]: {
    text: 'this identity was revoked',
    code: 'REVOKED',
    exitCode: exitCodes.denied,
    hint: 'labctl login makes a new certificate, if you may still have one',
  },
  [version]: {
    text: 'it speaks another version',
    code: 'VERSION_UNSUPPORTED',
    exitCode: exitCodes.failed,
    hint: 'install the labctl that belongs to this labd; labctl version shows both',
  },
  [limit]: {
    text: 'it has too many connections',
    code: 'RATE_LIMITED',
    exitCode: exitCodes.unreachable,
    hint: 'try again in a moment',
  },
};

/** `where`: `labd at https://…`. */
export function dialProblem(where: string, error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof DialRefused) {
    const { status, body, retryAfterMs } = error;
    const retryAfter = retryAfterMs === undefined ? undefined : String(Math.ceil(retryAfterMs / 1000));
    return labdError({ status, text: body, requestId: undefined, retryAfter });
  }
  const known = error instanceof LinkClosed ? closes[error.code] : undefined;
  if (known === undefined) return unreachable(where, error);
  const { text, code, exitCode, hint } = known;
  return new CommandError(`${where} refused the connection: ${text} (${code})`, { code, exitCode, hint, cause: error });
}
