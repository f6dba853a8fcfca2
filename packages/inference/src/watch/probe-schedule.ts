import type { Endpoint } from '../registry/endpoint.ts';
import type { HealthMemory } from './health.ts';

export const scheduleRules = {
  /** After a refused or reset connection, and to confirm a first success. */
  againMs: 500,
  failingMs: 1_000,
  warmingMs: 1_000,
  /** While an endpoint is newly dead: most are only restarted, and shall serve again within 2 s of being back. */
  downFastMs: 600,
  downFastForMs: 10_000,
  /** Then the interval doubles from here. */
  downMs: 1_000,
  downMsMax: 60_000,
  jitter: 0.2,
};

/** When a dead endpoint is looked at again: 0.6 s for the first 10 s, then 1, 2, 4, … 60 s. */
function downDelay(downForMs: number): number {
  if (downForMs < scheduleRules.downFastForMs) return scheduleRules.downFastMs;
  // Waiting as long as the slow phase has lasted doubles that time with each step.
  const slowFor = downForMs - scheduleRules.downFastForMs;
  return Math.min(slowFor + scheduleRules.downMs, scheduleRules.downMsMax);
}

/** Milliseconds to the next probe of an endpoint in its present state. */
export function probeDelay(endpoint: Endpoint, memory: HealthMemory, downForMs: number, random: () => number): number {
  const jittered = (ms: number) => ms * (1 + scheduleRules.jitter * (2 * random() - 1));
  if (endpoint.state === 'unhealthy') {
    return endpoint.consecutiveSuccesses > 0 ? scheduleRules.againMs : jittered(downDelay(downForMs));
  }
  if (memory.cut) return scheduleRules.againMs;
  if (endpoint.consecutiveFailures > 0) return jittered(scheduleRules.failingMs);
  if (endpoint.state === 'warming') return jittered(scheduleRules.warmingMs);
  return jittered(endpoint.spec.probeIntervalMs);
}
