import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { abortableFetch } from '../probe/abortable-fetch.ts';
import type { Gate } from '../probe/gate.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';
import type { Seen } from '../probe/seen.ts';
import { Alarm } from '../registry/alarm.ts';
import { Breaker } from '../registry/breaker.ts';
import type { Endpoint } from '../registry/endpoint.ts';
import { GaugePoll } from './gauge-poll.ts';
import { applySeen, newHealthMemory, type SeenFrom } from './health.ts';
import { Liveness } from './liveness.ts';
import { ModelWatch } from './model-watch.ts';
import { probeDelay, scheduleRules } from './probe-schedule.ts';
import { seenOfTraffic, type TrafficOutcome } from './traffic-outcome.ts';

/** What a watch needs of the registry around it. */
export type WatchContext = {
  clock: Clock;
  log: Logger;
  fetch: ProbeFetch;
  random: () => number;
  /** Bounds how many probes run at once over all endpoints. */
  gate: Gate;
  /** Something changed that may let a waiting request go. */
  changed: () => void;
  modelsChanged: () => void;
};

/**
 * Keeps one endpoint's state true: a loop that probes, discovers and wakes waiters when a pause ends, another that
 * reads gauges. One endpoint's loops wait only for its own answers.
 */
export class EndpointWatch {
  readonly endpoint: Endpoint;
  readonly breaker = new Breaker();
  /** Resolves when the first probe and discovery ended, however they ended. */
  readonly firstPass: Promise<void>;
  readonly #context: WatchContext;
  readonly #memory = newHealthMemory();
  readonly #stop = new AbortController();
  readonly #alarm: Alarm;
  readonly #gauges: GaugePoll;
  readonly #models: ModelWatch;
  readonly #liveness: Liveness;
  #firstPassEnded: () => void = () => {};
  #loops: Promise<unknown> = Promise.resolve();
  #nextProbeAt = Number.NEGATIVE_INFINITY;
  #downSince = 0;
  /** Clock.now() of the last request that was answered well. */
  #lastAnswered = Number.NEGATIVE_INFINITY;
  #lastFailureCut = false;

  constructor(endpoint: Endpoint, context: WatchContext) {
    this.endpoint = endpoint;
    this.#context = context;
    const { clock, log, changed, modelsChanged } = context;
    const fetch = abortableFetch(context.fetch, this.#stop.signal);
    this.#alarm = new Alarm(clock, this.#stop.signal);
    this.#gauges = new GaugePoll({ endpoint, clock, fetch, signal: this.#stop.signal, changed });
    const models = new ModelWatch({ endpoint, clock, log, fetch, changed, modelsChanged });
    this.#models = models;
    const kindChanged = () => {
      models.setCapacity(undefined);
      this.#gauges.reset();
    };
    this.#liveness = new Liveness({ endpoint, fetch, kindChanged });
    this.firstPass = new Promise((resolve) => (this.#firstPassEnded = resolve));
  }

  start(): void {
    this.#loops = Promise.all([this.#run(), this.#gauges.run()]);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the endpoint is no longer watched'));
    await this.#loops;
  }

  rediscover(): Promise<void> {
    return this.#models.rediscover();
  }

  noteTraffic(outcome: TrafficOutcome): void {
    const now = this.#context.clock.now();
    if (outcome.type === 'success' && this.#isAsBefore()) {
      this.#lastAnswered = now;
      this.endpoint.lastSuccess = now;
      return;
    }
    const seen = seenOfTraffic(outcome);
    const wasOpen = this.breaker.type !== 'closed';
    if (seen?.type === 'ok') {
      this.breaker.success(now);
      this.#lastAnswered = now;
    } else if (seen?.type === 'failed') {
      this.breaker.failure(now);
      this.#lastFailureCut = seen.reason === 'connect' || seen.reason === 'reset';
      this.#probeWithin(scheduleRules.againMs);
    } else {
      this.breaker.abandon(now);
      if (seen?.type === 'loading') this.#probeWithin(scheduleRules.warmingMs);
      // A listed model that the engine does not have. Not awaited: the client has its 404 already.
      if (seen?.type === 'unchanged' && seen.status === 404) void this.#models.rediscover();
    }
    const before = this.endpoint.state;
    if (seen !== undefined) this.#see(seen, 'traffic');
    this.#tellBreaker(wasOpen);
    // The common case, an answer like the one before it, moves no probe: the loop sleeps on.
    if (seen?.type !== 'ok' || wasOpen || this.endpoint.state !== before) this.#alarm.ring();
  }

  /** Healthy with nothing to forget: one more success changes no state. It is what nearly every request ends with. */
  #isAsBefore(): boolean {
    const { state, consecutiveFailures } = this.endpoint;
    return state === 'healthy' && consecutiveFailures === 0 && this.breaker.isClean && this.#memory.rateLimits === 0;
  }

  #tellBreaker(wasOpen: boolean): void {
    const isOpen = this.breaker.type !== 'closed';
    if (isOpen && !wasOpen) this.#log('breaker opened');
    if (!isOpen && wasOpen) this.#log('breaker closed');
    // Also when an abandoned trial is free again.
    if (wasOpen) this.#context.changed();
  }

  async #run(): Promise<void> {
    const { clock, gate, random } = this.#context;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (clock.now() >= this.#nextProbeAt) {
        await gate.run(() => this.#pass());
        const downFor = clock.now() - this.#downSince;
        this.#nextProbeAt = clock.now() + probeDelay(this.endpoint, this.#memory, downFor, random);
        this.#firstPassEnded();
      }
      await this.#sleepUntilDue();
    }
    this.#firstPassEnded();
  }

  /** Sleeps to the next probe; the end of a pause or of an open breaker comes in between and wakes waiters. */
  async #sleepUntilDue(): Promise<void> {
    const { clock, changed } = this.#context;
    const before = clock.now();
    const ends = [this.endpoint.pausedUntil, this.breaker.opensUntil ?? 0].filter((end) => end > before);
    await this.#alarm.sleep(Math.min(this.#nextProbeAt, ...ends) - before);
    const now = clock.now();
    if (!ends.some((end) => end <= now)) return;
    // A pause that is over may show as `rate_limited` still: the probe decides.
    if (this.endpoint.state !== 'healthy') this.#nextProbeAt = now;
    changed();
  }

  #probeWithin(ms: number): void {
    if (this.endpoint.state === 'unhealthy') return;
    this.#nextProbeAt = Math.min(this.#nextProbeAt, this.#context.clock.now() + ms);
  }

  async #pass(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    let seen = this.#answeredLately() ? undefined : await this.#liveness.check();
    if ((seen === undefined || seen.type === 'ok') && this.#models.due) {
      const listSeen = await this.#models.discover();
      // Some guard only /v1 with a key, and their /health is fine: the list tells.
      if (listSeen !== undefined && listSeen.type !== 'failed' && listSeen.type !== 'unchanged') seen = listSeen;
    }
    if (seen !== undefined && !this.#stop.signal.aborted) this.#see(seen, 'probe');
  }

  /** An answered request within the interval stands for the probe. */
  #answeredLately(): boolean {
    const { state, consecutiveFailures, spec } = this.endpoint;
    const since = this.#context.clock.now() - this.#lastAnswered;
    return state === 'healthy' && consecutiveFailures === 0 && since < spec.probeIntervalMs;
  }

  #see(seen: Seen, from: SeenFrom): void {
    const { endpoint } = this;
    const now = this.#context.clock.now();
    const before = endpoint.state;
    applySeen(endpoint, this.#memory, seen, now, from);
    if (endpoint.state === before) return;
    this.#log('endpoint state', { from: before, to: endpoint.state, reason: endpoint.reason });
    if (endpoint.state === 'unhealthy') {
      this.#downSince = now;
      this.#nextProbeAt = now + scheduleRules.downFastMs;
      this.#liveness.forget();
      this.#gauges.reset();
    }
    if (endpoint.state === 'healthy') this.#gauges.nudge();
    // Refused connections opened the breaker because nobody listened; now somebody does.
    if (before === 'unhealthy' && this.#lastFailureCut) this.breaker.success(now);
    this.#context.changed();
  }

  #log(msg: string, fields: Record<string, unknown> = {}): void {
    this.#context.log.info(msg, { endpoint: this.endpoint.spec.name, kind: this.endpoint.kind, ...fields });
  }
}
