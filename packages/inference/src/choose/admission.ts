/**
 * Who may send to which endpoint now. `own` rises the moment an endpoint is chosen and falls exactly once, when the
 * lease is released; requests that find no room wait in one bounded line per name and are woken by releases and by changes
 * in the registry. In a line tenants take turns, the higher class first; each of them has at most a share of it.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { Clock } from '@labmesh/kit/clock';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { type FairEntry, FairQueue } from '@labmesh/kit/fair/fair-queue';
import { ApiError } from '@labmesh/wire/errors';
import { type Routing, type RoutingName, routingOf } from '@labmesh/wire/routing';
import { priorityAgeMs } from '@labmesh/wire/verification/priority';
import { hasRoom } from '../load/load.ts';
import type { Endpoint } from '../registry/endpoint.ts';
import type { Registry } from '../watch/registry.ts';
import { chooseEndpoint } from './choose.ts';

export type AdmissionLimits = {
  /** Requests that wait for one model. */
  queueMax: number;
  /** Of these one tenant has at most this part, 0 to 1, and always one. */
  tenantShare: number;
  /** A request that waits is one class higher for each of these. */
  ageMs: number;
  queueMs: number;
  /** Longest wait while every endpoint of the model is still loading it. */
  loadMs: number;
  /** An endpoint that was up this recently is waited for. */
  downWaitMs: number;
};
export const admissionLimits: AdmissionLimits = {
  queueMax: 100,
  tenantShare: 1,
  ageMs: priorityAgeMs,
  queueMs: 60_000,
  loadMs: 300_000,
  downWaitMs: 30_000,
};

const recheckMs = 1_000;
/** Names whose turns are known; beyond them the one that was used least lately begins anew. */
const cursorsMax = 4_096;

/** Whose request it is, and its class: higher is sooner. */
export type AdmissionTurn = Pick<FairEntry, 'group' | 'priority'>;
const nobody: AdmissionTurn = { group: '', priority: 0 };

export type AdmissionAsk = {
  model: string;
  /** Whom this request queues behind: those with the same candidates. */
  queue: string;
  /** Endpoints that list the model, in any state. */
  candidates: () => readonly Endpoint[];
  /** Endpoints that failed this request already. */
  tried: ReadonlySet<Endpoint>;
  /** How to choose among them; absent = as the admission usually does. */
  routing?: Routing | undefined;
  /** What `session` keeps together; absent = all of it. */
  session?: (() => string) | undefined;
  /** Asked only of a request that must wait; absent = all are one group's. */
  turn?: (() => AdmissionTurn) | undefined;
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

class Waiter implements DeadlineEntry, FairEntry {
  readonly group: string;
  readonly priority: number;
  /** Clock ms. */
  readonly ask: AdmissionAsk;
  readonly since: number;
  readonly startedAt = performance.now();
  waits = true;
  deadline: number;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: ApiError) => void;
  #admission: Admission;

  constructor(
    admission: Admission,
    ask: AdmissionAsk,
    now: number,
    resolve: (lease: Lease) => void,
    reject: (error: ApiError) => void,
  ) {
    this.#admission = admission;
    this.ask = ask;
    const { group, priority } = ask.turn?.() ?? nobody;
    this.group = group;
    this.priority = priority;
    this.since = now;
    this.deadline = this.startedAt + Math.min(recheckMs, admission.limits.queueMs);
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
  #routing: Routing;
  /** By queue, for round_robin: the endpoint that was last chosen. */
  readonly #lastChosen = new Map<string, string>();
  /** Those that wait, by queue; none is empty. */
  #lines = new Map<string, FairQueue<Waiter>>();
  #queued = 0;
  #deadlines = new Deadlines();
  #stopListening: () => void;

  constructor(options: {
    registry: Registry;
    clock: Clock;
    limits?: Partial<AdmissionLimits>;
    random?: () => number;
    /** How requests choose that say nothing of it; absent = least_loaded. */
    routing?: RoutingName;
  }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#routing = routingOf(options.routing ?? 'least_loaded');
    this.limits = { ...admissionLimits, ...options.limits };
    this.#stopListening = options.registry.onChange(() => this.#wake());
  }

  get queued(): number {
    return this.#queued;
  }
  queuedFor(queue: string): number {
    return this.#lines.get(queue)?.size ?? 0;
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
    const { promise: lease, resolve, reject } = Promise.withResolvers<Lease>();
    const waiter = new Waiter(this, ask, this.#clock.now(), resolve, reject);
    if (!this.#enter(waiter)) {
      reject(new ApiError('queue_full'));
      return { lease, cancel: () => {} };
    }
    // Whoever waits for a full endpoint after failing at another must not hold up one who may still go there.
    this.#wake();
    return { lease, cancel: () => this.#remove(waiter) };
  }

  /** False when as many wait as may, of all or of its tenant. */
  #enter(waiter: Waiter): boolean {
    const { queue } = waiter.ask;
    const { queueMax: max, tenantShare, ageMs } = this.limits;
    const groupMax = Math.max(1, Math.ceil(max * tenantShare));
    // Places are the engines' own to count, so none is kept open: who takes a turn goes behind the others.
    const line =
      this.#lines.get(queue) ??
      new FairQueue<Waiter>({ name: 'queue.max', max, groupMax, ageMs, places: 0, keepMs: 0 });
    try {
      line.push(waiter);
    } catch (error) {
      if (error instanceof BoundPassed) return false;
      throw error;
    }
    this.#lines.set(queue, line);
    this.#queued++;
    this.#deadlines.add(waiter);
    return true;
  }

  #open(ask: AdmissionAsk): Endpoint[] {
    return ask
      .candidates()
      .filter((endpoint) => !ask.tried.has(endpoint) && this.#registry.usable(endpoint) && hasRoom(endpoint));
  }

  #choose(ask: AdmissionAsk): Lease | undefined {
    const { model, queue, routing = this.#routing, session = () => '' } = ask;
    const choice = { routing, last: this.#lastChosen.get(queue), key: session };
    const endpoint = chooseEndpoint(this.#open(ask), model, this.#clock.now(), this.#random, choice);
    if (endpoint === undefined) return undefined;
    if (routing === 'round_robin') this.#noteChosen(queue, endpoint);
    this.#registry.noteStart(endpoint);
    return new Lease(endpoint, () => this.#wake());
  }

  #noteChosen(queue: string, { spec }: Endpoint): void {
    this.#lastChosen.delete(queue);
    this.#lastChosen.set(queue, spec.name);
    if (this.#lastChosen.size <= cursorsMax) return;
    const [oldest] = this.#lastChosen.keys();
    if (oldest !== undefined) this.#lastChosen.delete(oldest);
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
    for (const line of this.#lines.values()) this.#wakeLine(line);
  }

  /** Gives what is free to those in a line whose turn it is. One who failed at some endpoints may fit where others do not. */
  #wakeLine(line: FairQueue<Waiter>): void {
    const now = this.#clock.now();
    for (;;) {
      // The same for all that have failed nowhere yet: they have the same candidates.
      let fresh: boolean | undefined;
      const waiter = line.shift(now, ({ ask }) =>
        ask.tried.size > 0 ? this.#open(ask).length > 0 : (fresh ??= this.#open(ask).length > 0),
      );
      if (waiter === undefined) return;
      this.#left(waiter);
      // A turn was taken: the group goes behind the others, and what it still waits for is no older than this.
      line.hold(waiter);
      line.free(waiter.group, now);
      const lease = this.#choose(waiter.ask);
      // Had its candidates not been those of the others, it must not be lost: it is in no line any more.
      if (lease === undefined) waiter.reject(new ApiError('no_endpoint_available'));
      else waiter.resolve(lease);
    }
  }

  /** Each second: the passing of time changes what no event tells. */
  recheck(waiter: Waiter): void {
    const line = this.#lines.get(waiter.ask.queue);
    if (line !== undefined) this.#wakeLine(line);
    if (!waiter.waits) return;
    const loading = waiter.ask.candidates().some((endpoint) => endpoint.state === 'warming');
    const until = waiter.startedAt + (loading ? this.limits.loadMs : this.limits.queueMs);
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
    if (this.#lines.get(waiter.ask.queue)?.remove(waiter) === true) this.#left(waiter);
  }

  /** Of one that is in no line any more. */
  #left(waiter: Waiter): void {
    const { queue } = waiter.ask;
    waiter.waits = false;
    this.#deadlines.delete(waiter);
    this.#queued--;
    if (this.queuedFor(queue) === 0) this.#lines.delete(queue);
  }

  [Symbol.dispose](): void {
    this.#stopListening();
    for (const line of this.#lines.values()) {
      for (const waiter of line.take(() => true)) {
        this.#left(waiter);
        waiter.reject(new ApiError('draining'));
      }
    }
  }
}
