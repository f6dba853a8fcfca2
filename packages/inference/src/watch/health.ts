import type { Seen } from '../probe/seen.ts';
import type { Endpoint, EndpointState } from '../registry/endpoint.ts';

/*
 * The states of an endpoint, and what moves it between them (gateway spec §2.3, I-5):
 *
 *     unknown ──ok──▶ healthy ◀──ok── warming, busy, rate_limited (pause over), config_error (pause over)
 *        │               │ 3 failures in a row, or refused/reset twice
 *        └──failure──▶ unhealthy ──2 successes──▶ healthy
 */
export const healthRules = {
  failuresDown: 3,
  successesUp: 2,
  /** An engine that says "busy" is left alone this long: else a waiting request would spin on it. */
  busyPauseMs: 1_000,
  /** Without Retry-After: 5 s, doubling with each further 429. */
  ratePauseMs: 5_000,
  ratePauseMsMax: 60_000,
  configPauseMs: 300_000,
};

export type SeenFrom = 'probe' | 'traffic';

/** What `applySeen` remembers about an endpoint between calls. */
export type HealthMemory = {
  /** 429s in a row. */
  rateLimits: number;
  /** A refused or reset connection waits for its re-probe: a second one takes the endpoint down at once. */
  cut: boolean;
};

export const newHealthMemory = (): HealthMemory => ({ rateLimits: 0, cut: false });

function enter(endpoint: Endpoint, state: EndpointState, reason: string | undefined): void {
  endpoint.state = state;
  endpoint.reason = reason;
}

function applyOk(endpoint: Endpoint, memory: HealthMemory, now: number, from: SeenFrom): void {
  endpoint.consecutiveFailures = 0;
  endpoint.consecutiveSuccesses += 1;
  endpoint.lastSuccess = now;
  memory.cut = false;
  // The answer of a request from before the pause does not end it; a liveness route may need no key, so it does not
  // prove that ours is taken, but an answered request does.
  const paused = endpoint.pausedUntil > now;
  if (endpoint.state === 'rate_limited' && paused) return;
  if (endpoint.state === 'config_error' && paused && from === 'probe') return;
  if (endpoint.state === 'draining') return;
  // Only probes bring a dead endpoint back: a long answer that ends well says nothing about new connections.
  if (
    endpoint.state === 'unhealthy' &&
    (from === 'traffic' || endpoint.consecutiveSuccesses < healthRules.successesUp)
  ) {
    return;
  }
  if (from === 'traffic') memory.rateLimits = 0;
  endpoint.pausedUntil = 0;
  enter(endpoint, 'healthy', undefined);
}

function applyFailed(
  endpoint: Endpoint,
  memory: HealthMemory,
  seen: Extract<Seen, { type: 'failed' }>,
  from: SeenFrom,
) {
  endpoint.consecutiveFailures += 1;
  endpoint.consecutiveSuccesses = 0;
  const isCut = seen.reason === 'connect' || seen.reason === 'reset';
  // Many requests cut at once are one event: only a probe confirms it.
  const confirmed = memory.cut && isCut && from === 'probe';
  if (isCut) memory.cut = true;
  if (endpoint.state === 'draining') return;
  const down = confirmed || endpoint.consecutiveFailures >= healthRules.failuresDown || endpoint.state === 'unknown';
  if (down || endpoint.state === 'unhealthy') enter(endpoint, 'unhealthy', `${seen.reason}: ${seen.detail}`);
}

function pause(endpoint: Endpoint, now: number, ms: number): void {
  endpoint.pausedUntil = Math.max(endpoint.pausedUntil, now + ms);
}

/** Moves an endpoint's state by one thing seen. */
export function applySeen(endpoint: Endpoint, memory: HealthMemory, seen: Seen, now: number, from: SeenFrom): void {
  if (from === 'probe') endpoint.lastChecked = now;
  switch (seen.type) {
    case 'ok':
      return applyOk(endpoint, memory, now, from);
    case 'failed':
      return applyFailed(endpoint, memory, seen, from);
    case 'unchanged':
      return;
    case 'loading':
      endpoint.consecutiveFailures = 0;
      memory.cut = false;
      return enter(endpoint, 'warming', seen.detail);
    case 'busy':
      endpoint.consecutiveFailures = 0;
      pause(endpoint, now, healthRules.busyPauseMs);
      return enter(endpoint, 'busy', seen.detail);
    case 'rate_limited': {
      const doubled = healthRules.ratePauseMs * 2 ** Math.min(memory.rateLimits, 10);
      memory.rateLimits += 1;
      pause(endpoint, now, seen.retryAfterMs ?? Math.min(doubled, healthRules.ratePauseMsMax));
      return enter(endpoint, 'rate_limited', 'the engine asks for a pause');
    }
    case 'refused':
      pause(endpoint, now, healthRules.configPauseMs);
      return enter(endpoint, 'config_error', `the engine refuses our credentials: ${seen.detail}`);
  }
}
