import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { Gate } from '../probe/gate.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';
import { EndpointWatch, type WatchContext } from './endpoint-watch.ts';
import { Endpoint, type EndpointSpec } from '../registry/endpoint.ts';
import { indexModels, type ModelIndex } from '../registry/model-index.ts';
import { parseBaseUrl } from '../registry/parse-base-url.ts';
import type { TrafficOutcome } from './traffic-outcome.ts';

/** Probes that run at once, over all endpoints. */
export const probesMax = 16;

export type RegistryOptions = { clock: Clock; log: Logger; fetch: ProbeFetch; random?: () => number };

/**
 * Every endpoint that is known, in what state it is and which models it lists. Readers get plain fields and an
 * immutable index; nothing here holds a lock over I/O. The loops inside run from `start` until the signal aborts.
 */
export class Registry implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #context: WatchContext;
  readonly #watches = new Map<string, EndpointWatch>();
  readonly #byEndpoint = new WeakMap<Endpoint, EndpointWatch>();
  readonly #listeners = new Set<() => void>();
  #endpoints: readonly Endpoint[] = [];
  #index: ModelIndex = new Map();
  #running = false;
  #refresh: Promise<void> | undefined;

  constructor(options: RegistryOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#context = {
      clock: options.clock,
      log: options.log,
      fetch: options.fetch,
      random: options.random ?? Math.random,
      gate: new Gate(probesMax),
      changed: () => this.#emit(),
      modelsChanged: () => this.#reindex(),
    };
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Throws BaseUrlError, or Error when the name is taken. After `start` the endpoint is probed at once. */
  add(spec: EndpointSpec): Endpoint {
    if (this.#watches.has(spec.name)) throw new Error(`two endpoints are named '${spec.name}'`);
    const endpoint = new Endpoint(spec, parseBaseUrl(spec.baseUrl));
    const watch = new EndpointWatch(endpoint, this.#context);
    this.#watches.set(spec.name, watch);
    this.#byEndpoint.set(endpoint, watch);
    this.#endpoints = [...this.#endpoints, endpoint];
    if (this.#running) watch.start();
    return endpoint;
  }

  remove(name: string): void {
    const watch = this.#watches.get(name);
    if (watch === undefined) return;
    this.#watches.delete(name);
    this.#byEndpoint.delete(watch.endpoint);
    this.#endpoints = this.#endpoints.filter((endpoint) => endpoint !== watch.endpoint);
    void watch.stop();
    this.#reindex();
  }

  /** Resolves when the first pass over all endpoints ended: each answered or was found not to. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#running) throw new Error('the registry runs already');
    this.#running = true;
    signal.addEventListener('abort', () => void this[Symbol.asyncDispose](), { once: true });
    const watches = [...this.#watches.values()];
    for (const watch of watches) watch.start();
    if (signal.aborted) await this[Symbol.asyncDispose]();
    await Promise.all(watches.map((watch) => watch.firstPass));
  }

  /** Endpoints that list the model, whatever their state. */
  serving(modelId: string): readonly Endpoint[] {
    return this.#index.get(modelId) ?? [];
  }

  models(): ModelIndex {
    return this.#index;
  }

  /** Reads all lists again after a request for an unknown model: one at a time, ≥ 5 s apart per endpoint. */
  refreshOnMiss(): Promise<void> {
    this.#refresh ??= Promise.all([...this.#watches.values()].map((watch) => watch.rediscover())).then(() => {
      this.#refresh = undefined;
    });
    return this.#refresh;
  }

  /** Whether a new request may go there, room aside. Asking changes nothing. */
  usable(endpoint: Endpoint): boolean {
    if (endpoint.state !== 'healthy' && endpoint.state !== 'busy') return false;
    const now = this.#clock.now();
    return endpoint.pausedUntil <= now && (this.#byEndpoint.get(endpoint)?.breaker.admits(now) ?? false);
  }

  /** Call when a request is given to the endpoint: it takes the one trial that a breaker admits after its open time. */
  noteStart(endpoint: Endpoint): void {
    this.#byEndpoint.get(endpoint)?.breaker.begin(this.#clock.now());
  }

  /** Call once per request given to the endpoint, with what came of it. */
  noteTraffic(endpoint: Endpoint, outcome: TrafficOutcome): void {
    this.#byEndpoint.get(endpoint)?.noteTraffic(outcome);
  }

  /** Calls back on each change of a state, a model list, a capacity or a pause; gives the way to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#watches.values()].map((watch) => watch.stop()));
  }

  #reindex(): void {
    this.#index = indexModels(this.#endpoints);
    this.#emit();
  }

  #emit(): void {
    // A copy: a listener may come or go while it is told.
    for (const listener of this.#listeners.values().toArray()) {
      try {
        listener();
      } catch (error) {
        this.#log.error('a listener of the registry failed', { error });
      }
    }
  }
}
