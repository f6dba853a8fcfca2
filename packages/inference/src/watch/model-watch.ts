import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { passesFilters } from '../discovery/glob.ts';
import { readModels, type Listing } from '../discovery/read-models.ts';
import { kinds } from '../probe/kinds.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';
import type { Seen } from '../probe/seen.ts';
import type { Endpoint } from '../registry/endpoint.ts';
import { healthRules } from './health.ts';
import { sameModels } from '../registry/model-index.ts';

export const discoveryRules = { intervalMs: 60_000, missGapMs: 5_000 };

type ModelWatchParts = {
  endpoint: Endpoint;
  clock: Clock;
  log: Logger;
  fetch: ProbeFetch;
  changed: () => void;
  modelsChanged: () => void;
};

/** Keeps one endpoint's model list and capacity: read at start, on recovery, every 60 s and on a miss. */
export class ModelWatch {
  readonly #parts: ModelWatchParts;
  #lastRead = Number.NEGATIVE_INFINITY;
  #reading: Promise<Seen | undefined> | undefined;
  #stale = false;

  constructor(parts: ModelWatchParts) {
    this.#parts = parts;
  }

  /** Whether the list is to be read with the probe that just went well. */
  get due(): boolean {
    const { endpoint, clock } = this.#parts;
    // Read before the success that brings it back is applied: it comes up with its models.
    if (endpoint.state === 'unhealthy') return endpoint.consecutiveSuccesses + 1 >= healthRules.successesUp;
    // What is in memory changes faster than what there is.
    if (endpoint.state !== 'healthy' || kinds[endpoint.kind].warm !== undefined) return true;
    return clock.now() - this.#lastRead >= discoveryRules.intervalMs;
  }

  /** Reads the list unless that was done within 5 s or the endpoint is down. Never rejects. */
  async rediscover(): Promise<void> {
    const { endpoint, clock } = this.#parts;
    const { state } = endpoint;
    if (state === 'unhealthy' || state === 'unknown' || state === 'config_error') return;
    const recent = clock.now() - this.#lastRead < discoveryRules.missGapMs;
    if (!recent || this.#reading !== undefined) await this.discover();
  }

  /** Reads the list, one read at a time; gives what a list that could not be had says of the endpoint. */
  discover(): Promise<Seen | undefined> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  /** `reported` is the engine's own word, in requests at once; the operator's `max_concurrent` overrules it. */
  setCapacity(reported: number | undefined): void {
    const { endpoint, changed } = this.#parts;
    const kind = kinds[endpoint.kind];
    const { maxConcurrent } = endpoint.spec;
    const before = endpoint.capacity;
    endpoint.capacity = maxConcurrent > 0 ? maxConcurrent : (reported ?? kind.capacity);
    endpoint.capacityHard = maxConcurrent > 0 || kind.capacityHard;
    if (endpoint.capacity !== before) changed();
  }

  async #read(): Promise<Seen | undefined> {
    const { endpoint, clock, fetch, log } = this.#parts;
    this.#lastRead = clock.now();
    const reading = await readModels(fetch, endpoint, kinds[endpoint.kind]);
    if (reading.type === 'read') {
      this.#stale = false;
      this.#take(reading.listing);
      return undefined;
    }
    if (!this.#stale) {
      log.warn('model list unreadable, the last one stays', { endpoint: endpoint.spec.name, seen: reading.seen });
    }
    this.#stale = true;
    return reading.seen;
  }

  #take(listing: Listing): void {
    const { endpoint, log, modelsChanged } = this.#parts;
    const { name, modelsInclude, modelsExclude } = endpoint.spec;
    if (listing.prefix !== endpoint.target.prefix) endpoint.target = { ...endpoint.target, prefix: listing.prefix };
    endpoint.version = listing.facts.version ?? endpoint.version;
    this.setCapacity(listing.facts.capacity);
    const models = new Map([...listing.models].filter(([id]) => passesFilters(id, modelsInclude, modelsExclude)));
    if (sameModels(models, endpoint.models)) return;
    if (listing.dropped > 0) log.warn('model list entries dropped', { endpoint: name, dropped: listing.dropped });
    endpoint.models = models;
    modelsChanged();
  }
}
