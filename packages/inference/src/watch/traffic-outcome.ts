import { seenOfStatus, type Seen } from '../probe/seen.ts';
import type { FailureReason } from '../probe/probe-fetch.ts';

/** How a relayed request ended, as far as the endpoint is concerned. */
export type TrafficOutcome =
  | { type: 'success' }
  | { type: 'failure'; reason: FailureReason; detail?: string }
  /** An answer of any status; `body` is its beginning. */
  | { type: 'status'; status: number; retryAfterS?: number; body?: string }
  /** The client left before anything was learned. */
  | { type: 'abandoned' };

export function seenOfTraffic(outcome: TrafficOutcome): Seen | undefined {
  switch (outcome.type) {
    case 'success':
      return { type: 'ok' };
    case 'failure':
      return { type: 'failed', reason: outcome.reason, detail: outcome.detail ?? 'in traffic' };
    case 'status':
      return seenOfStatus(outcome.status, outcome.body, outcome.retryAfterS);
    case 'abandoned':
      return undefined;
  }
}
