import type { Endpoint, Gauges } from '../registry/endpoint.ts';
import { kinds } from '../probe/kinds.ts';

export const loadRules = {
  /** How often gauges are read while our own work is in flight, and while it is not. */
  busyIntervalMs: 2_000,
  idleIntervalMs: 10_000,
  voidAfterIntervals: 3,
  /** Added when the engine does not tell: unknown is never zero. */
  unknownPenalty: 0.25,
  kvFrom: 0.9,
  kvWeight: 10,
  /** An engine with this many waiting gets no new work: its own queue has no end. */
  waitingMax: 16,
};

/** The gauges, unless they are older than three intervals. */
export function freshGauges(endpoint: Endpoint, now: number): Gauges | undefined {
  const { gauges } = endpoint;
  if (gauges === undefined) return undefined;
  const intervalMs = gauges.ownAtSample > 0 ? loadRules.busyIntervalMs : loadRules.idleIntervalMs;
  return now - gauges.at <= intervalMs * loadRules.voidAfterIntervals ? gauges : undefined;
}

/**
 * Load of an endpoint: about 0 when idle, 1 when all of its capacity is in use (gateway spec I-11).
 * `ext` is what others brought: the engine's own count less ours when it was taken.
 */
export function loadOf(endpoint: Endpoint, now: number): number {
  const capacity = Math.max(1, endpoint.capacity);
  const gauges = freshGauges(endpoint, now);
  if (gauges === undefined || (gauges.running === undefined && gauges.waiting === undefined)) {
    return endpoint.own / capacity + loadRules.unknownPenalty + kvShare(gauges);
  }
  const ext = Math.max(0, (gauges.running ?? 0) + (gauges.waiting ?? 0) - gauges.ownAtSample);
  return (endpoint.own + ext) / capacity + kvShare(gauges);
}

/** A nearly full KV cache makes the next request evict or wait. */
function kvShare(gauges: Gauges | undefined): number {
  return loadRules.kvWeight * Math.max(0, (gauges?.kv ?? 0) - loadRules.kvFrom);
}

/** How many of our requests may be in flight there at once; Infinity when nothing limits them. */
export function roomLimit(endpoint: Endpoint): number {
  if (endpoint.spec.maxConcurrent > 0) return endpoint.spec.maxConcurrent;
  return endpoint.capacityHard ? endpoint.capacity + kinds[endpoint.kind].queue : Infinity;
}

/** Whether one more request may go there now. The registry drops stale gauges, so what stands here counts. */
export function hasRoom(endpoint: Endpoint): boolean {
  if (endpoint.own >= roomLimit(endpoint)) return false;
  return (endpoint.gauges?.waiting ?? 0) < loadRules.waitingMax;
}
