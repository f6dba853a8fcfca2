import type { FailureReason } from './probe-fetch.ts';

/** What one answer, of a probe or of traffic, says about an endpoint (the left column of gateway spec §2.3). */
export type Seen =
  | { type: 'ok' }
  | { type: 'loading'; detail: string }
  | { type: 'busy'; detail: string }
  | { type: 'rate_limited'; retryAfterMs: number | undefined }
  | { type: 'refused'; detail: string }
  /** The request was at fault, not the endpoint. */
  | { type: 'unchanged'; status: number }
  | { type: 'failed'; reason: FailureReason | 'status'; detail: string };

const busyText = /server busy, please try again|no slot available|no available slot/i;
const loadingText = /loading model|model is loading|unavailable_error|"loading"|still loading|currently loading/i;

/** Longest Retry-After that is believed. */
const retryAfterMsMax = 600_000;
const detailLengthMax = 160;

/** Reads a status the way every engine means it; `body` may be cut short. */
export function seenOfStatus(status: number, body = '', retryAfterS?: number): Seen {
  if (status >= 200 && status < 300) return { type: 'ok' };
  const detail = `${status} ${body.slice(0, detailLengthMax)}`.trim();
  if (status === 529) return { type: 'busy', detail };
  if (status === 503 && busyText.test(body)) return { type: 'busy', detail };
  if (status === 503 && loadingText.test(body)) return { type: 'loading', detail };
  if (status === 429) {
    const known = retryAfterS !== undefined && Number.isFinite(retryAfterS) && retryAfterS >= 0;
    return { type: 'rate_limited', retryAfterMs: known ? Math.min(retryAfterS * 1_000, retryAfterMsMax) : undefined };
  }
  if (status === 401 || status === 403) return { type: 'refused', detail };
  // 501 says that a route is absent, which is a trait of the engine and no fault.
  if ((status >= 400 && status < 500) || status === 501) return { type: 'unchanged', status };
  if (status >= 300 && status < 400) return { type: 'failed', reason: 'invalid', detail: `${status} redirect` };
  return { type: 'failed', reason: 'status', detail };
}

/** Seconds of a Retry-After header; undefined when absent or a date (engines send seconds). */
export function retryAfterOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header.trim()) ? Number(header) : undefined;
}
