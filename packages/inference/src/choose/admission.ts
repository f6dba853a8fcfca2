/**
 * Who may send to which endpoint now. `own` rises the moment an endpoint is chosen and falls exactly once, when the
 * lease is released; requests that find no room wait in one bounded first-come queue per name and are woken by
 * releases and by changes in the registry.
 */
import type { Clock } from '@labmesh/kit/clock';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { ApiError } from '@labmesh/wire/errors';
import { hasRoom } from '../load/load.ts';
import type { Endpoint } from '../registry/endpoint.ts';
import type { Registry } from '../watch/registry.ts';
import { chooseEndpoint } from './choose.ts';

export type AdmissionLimits = {
  /** Requests that wait for one model. */
  queueMax: number;
  queueMs: number;
  /** Longest wait while every endpoint of the model is still loading it. */
  loadMs: number;
  /** An endpoint that was up this recently is waited for. */
  downWaitMs: number;
};
export const admissionLimits: AdmissionLimits = { queueMax: 100, queueMs: 60_000, loadMs: 300_000, downWaitMs: 30_000 };

const recheckMs = 1_000;

export type AdmissionAsk = {
  model: string;
  /** Whom this request queues behind: those with the same candidates. */
  queue: string;
  /** Endpoints that list the model, in any state. */
  candidates: () => readonly Endpoint[];
  /** Endpoints that failed this request already. */
  tried: ReadonlySet<Endpoint>;
};

export class Lease implements Disposable {
  readonly endpoint: Endpoint;
  #onRelease: (() => void) | undefined;

  constructor(endpoint: Endpoint, onRelease: () => void) {
    this.endpoint = endpoint;
    this.#onRelease = onRelease;
    endpoint.own++;
  }

  [Symbol.dispose](): void {
    const onRelease = this.#onRelease;
    if (onRelease === undefined) return;
    this.#onRelease = undefined;
    this.endpoint.own--;
    onRelease();
  }
}

class Waiter implements DeadlineEntry {
  readonly ask: AdmissionAsk;
  readonly since: number;
  deadline: number;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: ApiError) => void;
  #admission: Admission;

  constructor(
    admission: Admission,
    ask: AdmissionAsk,
    limits: AdmissionLimits,
    resolve: (lease: Lease) => void,
    reject: (error: ApiError) => void,
  ) {
    this.#admission = admission;
    this.ask = ask;
    this.since = performance.now();
    this.deadline = this.since + Math.min(recheckMs, limits.queueMs);
    this.resolve = resolve;
    this.reject = reject;
  }

  onDeadline(): void {
    this.#admission.recheck(this);
  }
}

export class Admission implements Disposable {
  readonly limits: AdmissionLimits;
  #registry: Registry;
  #clock: Clock;
  #random: () => number;
  #waiters: Waiter[] = [];
  /** Waiters by queue. */
  #depth = new Map<string, number>();
  #deadlines = new Deadlines();
  #stopListening: () => void;

  constructor(options: { registry: Registry; clock: Clock; limits?: Partial<AdmissionLimits>; random?: () => number }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.limits = { ...admissionLimits, ...options.limits };
    this.#stopListening = options.registry.onChange(() => this.#wake());
  }

  get queued(): number {
    return this.#waiters.length;
  }
  queuedFor(queue: string): number {
    return this.#depth.get(queue) ?? 0;
  }

  /** An endpoint now, or undefined: then `wait`. Those who wait already are not overtaken. */
  tryAcquire(ask: AdmissionAsk): Lease | undefined {
    return this.queuedFor(ask.queue) > 0 ? undefined : this.#choose(ask);
  }

  /**
   * Waits for an endpoint. Rejects with no_endpoint_available, rate_limit_exceeded, queue_full, queue_timeout or
   * model_loading. `cancel` leaves the queue without a word.
   */
  wait(ask: AdmissionAsk): { lease: Promise<Lease>; cancel: () => void } {
    const hopeless = this.#hopeless(ask);
    if (hopeless !== undefined) return { lease: Promise.reject(hopeless), cancel: () => {} };
    if (this.queuedFor(ask.queue) >= this.limits.queueMax) {
      return { lease: Promise.reject(new ApiError('queue_full')), cancel: () => {} };
    }
    let waiter: Waiter | undefined;
    const lease = new Promise<Lease>((resolve, reject) => {
      waiter = new Waiter(this, ask, this.limits, resolve, reject);
      this.#waiters.push(waiter);
      this.#depth.set(ask.queue, this.queuedFor(ask.queue) + 1);
      this.#deadlines.add(waiter);
    });
    // Whoever waits for a full endpoint after failing at another must not hold up one who may still go there.
    this.#wake();
    return { lease, cancel: () => waiter !== undefined && this.#remove(waiter) };
  }

  #choose(ask: AdmissionAsk): Lease | undefined {
    const open = ask
      .candidates()
      .filter((endpoint) => !ask.tried.has(endpoint) && this.#registry.usable(endpoint) && hasRoom(endpoint));
    const endpoint = chooseEndpoint(open, ask.model, this.#clock.now(), this.#random);
    if (endpoint === undefined) return undefined;
    this.#registry.noteStart(endpoint);
    return new Lease(endpoint, () => this.#wake());
  }

  /** Why waiting is of no use; undefined when it may be. */
  #hopeless(ask: AdmissionAsk): ApiError | undefined {
    const now = this.#clock.now();
    let pausedUntil = Number.POSITIVE_INFINITY;
    for (const endpoint of ask.candidates()) {
      const { state } = endpoint;
      if (state === 'rate_limited') pausedUntil = Math.min(pausedUntil, endpoint.pausedUntil);
      else if (state === 'config_error' || state === 'draining') continue;
      else if (state !== 'unhealthy') return undefined;
      else if (endpoint.lastSuccess > 0 && now - endpoint.lastSuccess < this.limits.downWaitMs) return undefined;
    }
    if (pausedUntil === Number.POSITIVE_INFINITY) return new ApiError('no_endpoint_available');
    return new ApiError('rate_limit_exceeded', { retryAfterS: Math.max(1, Math.ceil((pausedUntil - now) / 1000)) });
  }

  #wake(): void {
    // A copy, because resolving may bring new waiters; models whose first waiter found no room are passed over.
    const stuck = new Set<string>();
    for (const waiter of this.#waiters.slice()) {
      const { queue, tried } = waiter.ask;
      // One who has tried some endpoints may fit where the one before it does not, and the other way round.
      if (stuck.has(queue) && tried.size === 0) continue;
      const lease = this.#choose(waiter.ask);
      if (lease !== undefined) {
        this.#remove(waiter);
        waiter.resolve(lease);
        continue;
      }
      if (tried.size === 0) stuck.add(queue);
    }
  }

  /** Each second: the passing of time changes what no event tells. */
  recheck(waiter: Waiter): void {
    const lease = this.#choose(waiter.ask);
    if (lease !== undefined) {
      this.#remove(waiter);
      return waiter.resolve(lease);
    }
    const loading = waiter.ask.candidates().some((endpoint) => endpoint.state === 'warming');
    const until = waiter.since + (loading ? this.limits.loadMs : this.limits.queueMs);
    const hopeless = this.#hopeless(waiter.ask);
    const now = performance.now();
    if (hopeless === undefined && now < until) {
      waiter.deadline = Math.min(until, now + recheckMs);
      return;
    }
    this.#remove(waiter);
    waiter.reject(hopeless ?? new ApiError(loading ? 'model_loading' : 'queue_timeout'));
  }

  #remove(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    this.#deadlines.delete(waiter);
    const { queue } = waiter.ask;
    const depth = this.queuedFor(queue) - 1;
    if (depth > 0) this.#depth.set(queue, depth);
    else this.#depth.delete(queue);
  }

  [Symbol.dispose](): void {
    this.#stopListening();
    for (const waiter of this.#waiters.slice()) {
      this.#remove(waiter);
      waiter.reject(new ApiError('draining'));
    }
  }
}
