import type { Clock } from '@labmesh/kit/clock';
import { hasGauges, readGauges } from '../load/gauges.ts';
import { freshGauges, hasRoom, loadRules } from '../load/load.ts';
import type { PathTemplate } from '../probe/kind.ts';
import { kinds } from '../probe/kinds.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';
import { Alarm } from '../registry/alarm.ts';
import type { Endpoint } from '../registry/endpoint.ts';

type GaugePollParts = {
  endpoint: Endpoint;
  clock: Clock;
  fetch: ProbeFetch;
  signal: AbortSignal;
  changed: () => void;
};

/** Reads one endpoint's gauges: every 2 s while it works for us or for others, else every 10 s; one read at a time. */
export class GaugePoll {
  readonly #parts: GaugePollParts;
  /** Gauge routes that the engine does not have; asked again after a recovery. */
  readonly #absent = new Set<PathTemplate>();
  readonly #alarm: Alarm;
  #lastRead = Number.NEGATIVE_INFINITY;

  constructor(parts: GaugePollParts) {
    this.#parts = parts;
    this.#alarm = new Alarm(parts.clock, parts.signal);
  }

  /** The endpoint just came up: its load is wanted now. */
  nudge(): void {
    this.#alarm.ring();
  }

  /** Forgets everything read: the engine may be another one now. */
  reset(): void {
    this.#absent.clear();
    this.#lastRead = Number.NEGATIVE_INFINITY;
    this.#parts.endpoint.gauges = undefined;
  }

  /** Polls until the signal aborts. Never rejects. */
  async run(): Promise<void> {
    while (!this.#parts.signal.aborted) {
      if (this.#due()) await this.#read();
      await this.#alarm.sleep(loadRules.busyIntervalMs);
      this.#dropStale();
    }
  }

  #due(): boolean {
    const { endpoint, clock } = this.#parts;
    if (endpoint.state !== 'healthy' && endpoint.state !== 'busy') return false;
    if (!hasGauges(kinds[endpoint.kind], this.#absent)) return false;
    const { running = 0, waiting = 0 } = endpoint.gauges ?? {};
    const working = endpoint.own > 0 || running + waiting > 0;
    // A little less than the interval: the loop's own period must not skip every second turn.
    const intervalMs = (working ? loadRules.busyIntervalMs : loadRules.idleIntervalMs) * 0.9;
    return clock.now() - this.#lastRead >= intervalMs;
  }

  async #read(): Promise<void> {
    const { endpoint, clock, fetch, changed } = this.#parts;
    const ownAtSample = endpoint.own;
    const { kind } = endpoint;
    this.#lastRead = clock.now();
    const reading = await readGauges(fetch, endpoint, kinds[kind], this.#absent);
    // Gone or replaced in the meantime: the numbers are nobody's.
    if (reading === undefined || endpoint.kind !== kind || endpoint.state === 'unhealthy') return;
    const hadRoom = hasRoom(endpoint);
    endpoint.gauges = { ...reading, ownAtSample, at: clock.now() };
    if (hadRoom !== hasRoom(endpoint)) changed();
  }

  #dropStale(): void {
    const { endpoint, clock, changed } = this.#parts;
    if (endpoint.gauges === undefined || freshGauges(endpoint, clock.now()) !== undefined) return;
    endpoint.gauges = undefined;
    changed();
  }
}
