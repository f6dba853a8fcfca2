import { Metrics, type Counter, type Histogram } from '@labmesh/kit/metrics';
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import type { Registry } from '@labmesh/inference/watch/registry';
import { loadOf } from '@labmesh/inference/load/load';
import type { Clock } from '@labmesh/kit/clock';

/** From a cached answer to a long generation on a slow machine. */
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** What one model's requests touch; looked up once per request. */
type Handles = {
  durations: Histogram;
  ttfts: Histogram;
  input: Counter;
  output: Counter;
  cached: Counter;
  /** Counters by status. */
  statuses: Map<number, Counter>;
};

/** The gateway's Prometheus page. Handles are kept per model: a request touches numbers only. */
export class GatewayMetrics {
  readonly #metrics = new Metrics('labmesh_');
  readonly #requests = this.#metrics.counter('gateway_requests_total', 'Requests answered, by model and HTTP status', {
    labels: ['model', 'status'],
  });
  readonly #durations = this.#metrics.histogram(
    'gateway_request_duration_seconds',
    'Arrival to last byte',
    secondsBuckets,
    { labels: ['model'] },
  );
  readonly #ttfts = this.#metrics.histogram(
    'gateway_ttft_seconds',
    'Arrival to the first answer byte',
    secondsBuckets,
    { labels: ['model'] },
  );
  readonly #tokens = this.#metrics.counter('gateway_tokens_total', 'Tokens, by model and type', {
    labels: ['model', 'type'],
  });
  readonly #queueWaits = this.#metrics
    .histogram('gateway_queue_wait_seconds', 'Time spent waiting for an endpoint', secondsBuckets)
    .labels();
  readonly #retries = this.#metrics
    .counter('gateway_retries_total', 'Attempts after the first one of a request')
    .labels();
  readonly #aborts = this.#metrics
    .counter('gateway_aborts_total', 'Requests whose client left', { labels: ['by'] })
    .labels('client');
  readonly #refused = this.#metrics.counter('gateway_refused_total', 'Requests refused or failed, by error code', {
    labels: ['code'],
  });
  readonly #verifications = this.#metrics.counter(
    'gateway_verifications_total',
    'Answers by mode and result of their verification; dropped = no room to look at it',
    { labels: ['mode', 'result'] },
  );
  readonly #byModel = new Map<string, Handles>();
  /** By mode and result, which are words of ours: audit books each request. */
  readonly #verified = new Map<string, Map<string, Counter>>();

  constructor(parts: {
    registry: Registry;
    clock: Clock;
    inFlight: () => number;
    queued: () => number;
    verification: { waiting: number; heldBytes: number };
  }) {
    const { registry, clock, verification } = parts;
    const each = (read: (endpoint: Registry['endpoints'][number]) => number) => () =>
      registry.endpoints.map((endpoint) => ({ labels: [endpoint.spec.name], value: read(endpoint) }));
    this.#metrics.gauge('gateway_in_flight', 'Requests without an end', { read: parts.inFlight });
    this.#metrics.gauge('gateway_queue_depth', 'Requests that wait for an endpoint', { read: parts.queued });
    this.#metrics.gauge('gateway_verification_waiting', 'Answers that wait to be offered to the arena', {
      read: () => verification.waiting,
    });
    this.#metrics.gauge('gateway_verification_held_bytes', 'Answers kept for the arena', {
      read: () => verification.heldBytes,
    });
    this.#metrics.gauge('process_resident_memory_bytes', 'Memory of this process', {
      read: () => process.memoryUsage.rss(),
    });
    const labels = ['endpoint'];
    this.#metrics.gauge('endpoint_up', '1 while new requests may go there', {
      labels,
      read: each((endpoint) => Number(registry.usable(endpoint))),
    });
    this.#metrics.gauge('endpoint_in_flight', 'Our requests there', { labels, read: each((endpoint) => endpoint.own) });
    this.#metrics.gauge('endpoint_load', 'What choice sorts by', {
      labels,
      read: each((endpoint) => loadOf(endpoint, clock.now())),
    });
  }

  /** Books one request that was relayed. */
  relayed(model: string, outcome: RelayOutcome, seconds: number): void {
    const handles = this.#handles(model);
    this.#status(handles, model, outcome.status).inc();
    handles.durations.observe(seconds);
    if (outcome.ttftMs !== undefined) handles.ttfts.observe(outcome.ttftMs / 1000);
    if (outcome.queueMs > 0) this.#queueWaits.observe(outcome.queueMs / 1000);
    if (outcome.attempts > 1) this.#retries.inc(outcome.attempts - 1);
    if (outcome.status === 499) this.#aborts.inc();
    if (outcome.code !== undefined) this.#refused.labels(outcome.code).inc();
    const { usage } = outcome;
    if (usage === undefined) return;
    handles.input.inc(usage.promptTokens);
    handles.output.inc(usage.completionTokens);
    handles.cached.inc(usage.cachedTokens);
  }

  /** Books one request refused before it was relayed. */
  refused(code: string): void {
    this.#refused.labels(code).inc();
  }

  /** Books how one verification ended: an outcome, or the code of what was in the way. */
  verified(mode: string, result: string): void {
    let counters = this.#verified.get(mode);
    if (counters === undefined) this.#verified.set(mode, (counters = new Map()));
    let counter = counters.get(result);
    if (counter === undefined) counters.set(result, (counter = this.#verifications.labels(mode, result)));
    counter.inc();
  }

  #handles(model: string): Handles {
    let handles = this.#byModel.get(model);
    if (handles !== undefined) return handles;
    handles = {
      durations: this.#durations.labels(model),
      ttfts: this.#ttfts.labels(model),
      input: this.#tokens.labels(model, 'input'),
      output: this.#tokens.labels(model, 'output'),
      cached: this.#tokens.labels(model, 'cached'),
      statuses: new Map(),
    };
    // Models are known names only, never a client's text: the registry bounds them.
    this.#byModel.set(model, handles);
    return handles;
  }

  /** Statuses are few, and ours: the label set stays small. */
  #status(handles: Handles, model: string, status: number): Counter {
    let counter = handles.statuses.get(status);
    if (counter === undefined) handles.statuses.set(status, (counter = this.#requests.labels(model, String(status))));
    return counter;
  }

  /** The page, `text/plain; version=0.0.4`. */
  render(): string {
    return this.#metrics.render();
  }
}
