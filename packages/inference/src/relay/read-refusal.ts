import { ApiError } from '@labmesh/wire/errors';

/** What follows a failed attempt. */
export type Verdict = {
  /** elsewhere: another endpoint; when-ready: not counted, the endpoint only asks to wait; no: tell the client. */
  again: 'elsewhere' | 'when-ready' | 'no';
  error: ApiError;
};

const retried = new Set([408, 500, 502, 503, 504, 529]);
const loading = /loading model|model is loading|"status"\s*:\s*"loading"|unavailable_error/i;
const busy = /server busy/i;

/**
 * Reads an engine's status from 300 up. Undefined = the caller's own mistake (4xx), to be passed on untouched. Engine
 * texts of other errors are kept for the log only: they may hold addresses and paths.
 */
export function readRefusal(status: number, body: string, retryAfterS: number): Verdict | undefined {
  const log = `status ${status}: ${body.slice(0, 500)}`;
  if (status < 400) return { again: 'elsewhere', error: new ApiError('upstream_redirect', { log }) };
  if (status === 401 || status === 403) return { again: 'elsewhere', error: new ApiError('upstream_auth', { log }) };
  if (status === 429) {
    const wait = Number.isFinite(retryAfterS) && retryAfterS > 0 ? { retryAfterS } : {};
    return { again: 'elsewhere', error: new ApiError('rate_limit_exceeded', { log, ...wait }) };
  }
  if (status === 503 && loading.test(body))
    return { again: 'when-ready', error: new ApiError('model_loading', { log }) };
  if (status === 503 && busy.test(body)) return { again: 'when-ready', error: new ApiError('queue_timeout', { log }) };
  if (status === 501)
    return {
      again: 'no',
      error: new ApiError('not_supported', { log, message: 'this model does not support this route' }),
    };
  if (retried.has(status) || status >= 500)
    return { again: 'elsewhere', error: new ApiError('upstream_error', { log }) };
  return undefined;
}
