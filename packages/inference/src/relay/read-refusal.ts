import { ApiError } from '@labmesh/wire/errors';
import { seenOfStatus } from '../probe/seen.ts';

/** What follows a failed attempt. */
export type Verdict = {
  /** elsewhere: another endpoint; when-ready: not counted, the endpoint only asks to wait; no: tell the client. */
  again: 'elsewhere' | 'when-ready' | 'no';
  error: ApiError;
};

/**
 * Reads an engine's status from 300 up, in the same terms as health does. Undefined = the caller's own mistake (4xx), to
 * be passed on untouched. Engine texts of other errors are kept for the log only: they may hold addresses and paths.
 */
export function readRefusal(status: number, body: string, retryAfterS: number): Verdict | undefined {
  const log = `status ${status}: ${body.slice(0, 500)}`;
  if (status < 400) return { again: 'elsewhere', error: new ApiError('upstream_redirect', { log }) };
  if (status === 501) {
    return {
      again: 'no',
      error: new ApiError('not_supported', { log, message: 'this model does not support this route' }),
    };
  }
  if (status === 408) return { again: 'elsewhere', error: new ApiError('upstream_timeout', { log }) };
  const seen = seenOfStatus(status, body);
  switch (seen.type) {
    case 'unchanged':
      return undefined;
    case 'refused':
      return { again: 'elsewhere', error: new ApiError('upstream_auth', { log }) };
    case 'rate_limited': {
      const wait = Number.isFinite(retryAfterS) && retryAfterS > 0 ? { retryAfterS } : {};
      return { again: 'elsewhere', error: new ApiError('rate_limit_exceeded', { log, ...wait }) };
    }
    case 'loading':
      return { again: 'when-ready', error: new ApiError('model_loading', { log }) };
    case 'busy':
      return { again: 'when-ready', error: new ApiError('queue_timeout', { log }) };
    default:
      return { again: 'elsewhere', error: new ApiError('upstream_error', { log }) };
  }
}
