import { performance } from 'node:perf_hooks';
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { RelayOutcome } from '@labmesh/inference/relay/relay-request';
import { Metrics } from '@labmesh/kit/metrics';
import { addTunnelMetrics } from '@labmesh/tunnel/tunnel-metrics';
import type { TunnelView } from '@labmesh/wire/tunnel';
import type { ErrorCode } from '@labmesh/wire/errors';
import { shownModelId } from './guard/shown-model-id.ts';

/** LABEL_SERIES */
const seriesMax = 2_000;
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** What the operator's dashboards call our errors; what is not here is the caller's own (network plane V4). */
const errorKinds: Partial<Record<ErrorCode, string>> = {
  model_not_found: 'hashed_model_not_found',
  no_endpoint_available: 'hashed_model_endpoint_missing',
  endpoint_unhealthy: 'hashed_model_endpoint_missing',
  upstream_error: 'upstream_request_error',
  upstream_auth: 'upstream_request_error',
  upstream_invalid: 'upstream_request_error',
  upstream_redirect: 'upstream_request_error',
  upstream_too_large: 'upstream_body_read_error',
  upstream_broken: 'upstream_body_read_error',
  upstream_timeout: 'upstream_timeout',
  upstream_stalled: 'upstream_timeout',
};

/** The node's Prometheus page: names of network plane V3 to V5, those that this version can fill. Probes do not count. */
export class LabmanMetrics {
  readonly #metrics = new Metrics('labman_');
  readonly #requests = this.#metrics.counter('requests_total', 'Requests that reached an endpoint', {
    labels: ['endpoint', 'model', 'success'],
    seriesMax,
  });
  readonly #latency = this.#metrics.histogram('request_latency_seconds', 'Arrival to last byte', secondsBuckets, {
    labels: ['endpoint', 'model'],
    seriesMax,
  });
  readonly #ttft = this.#metrics.histogram('ttft_seconds', 'Arrival to the first answer byte', secondsBuckets).labels();
  readonly #wait = this.#metrics
    .histogram('queue_wait_seconds', 'Time spent waiting for an endpoint', secondsBuckets)
    .labels();
  readonly #errors = this.#metrics.counter('errors_total', 'Errors by kind', {
    labels: ['endpoint', 'kind'],
    seriesMax,
  });
  readonly #tokens = this.#metrics.counter('tokens_total', 'Tokens as the endpoints counted them', {
    labels: ['tenant', 'model', 'dir'],
    seriesMax,
  });
  readonly #active = this.#metrics.gauge('active_requests', 'Requests without an end').labels();

  /** For heartbeats: requests that run, that came, that failed. */
  readonly totals = { active: 0, requests: 0, errors: 0 };

  constructor(parts: { registry: Registry; queued: () => number }) {
    const { registry, queued } = parts;
    const each = (read: (endpoint: Endpoint) => number) => () =>
      registry.endpoints.map((endpoint) => ({ labels: [endpoint.spec.name], value: read(endpoint) }));
    const labels = ['endpoint'];
    this.#metrics.gauge('endpoint_up', '1 while new requests may go there', {
      labels,
      seriesMax,
      read: each((endpoint) => Number(registry.usable(endpoint))),
    });
    this.#metrics.gauge('endpoint_in_flight', 'Our requests there', {
      labels,
      seriesMax,
      read: each((endpoint) => endpoint.own),
    });
    this.#metrics.gauge('queue_depth', 'Requests that wait for an endpoint', { read: queued });
  }

  /** Counts a request as running; the function given back books its end. */
  begin(): {
    relayed: (outcome: RelayOutcome, model: string) => void;
    refused: (code: ErrorCode) => void;
    end: () => void;
  } {
    const startedAt = performance.now();
    this.#active.add(1);
    this.totals.active++;
    this.totals.requests++;
    return {
      relayed: (outcome, model) => this.#relayed(outcome, shownModelId(model), (performance.now() - startedAt) / 1_000),
      refused: (code) => this.#error('', code),
      end: () => {
        this.#active.add(-1);
        this.totals.active--;
      },
    };
  }

  #relayed(outcome: RelayOutcome, model: string, seconds: number): void {
    const { endpoint, status, code, usage, ttftMs, queueMs } = outcome;
    const name = endpoint?.spec.name ?? '';
    this.#requests.labels(name, model, String(status < 400 && code === undefined)).inc();
    this.#latency.labels(name, model).observe(seconds);
    if (ttftMs !== undefined) this.#ttft.observe(ttftMs / 1_000);
    if (queueMs > 0) this.#wait.observe(queueMs / 1_000);
    if (status === 499) this.#errors.labels(name, 'client_aborted').inc();
    else if (code !== undefined) this.#error(name, code);
    if (usage === undefined) return;
    const tenant = endpoint?.spec.tenant ?? '';
    this.#tokens.labels(tenant, model, 'in').inc(usage.promptTokens);
    this.#tokens.labels(tenant, model, 'out').inc(usage.completionTokens);
  }

  #error(endpoint: string, code: ErrorCode): void {
    this.totals.errors++;
    const kind = errorKinds[code];
    if (kind !== undefined) this.#errors.labels(endpoint, kind).inc();
  }

  /** The tunnel's own lines (tunnel V8), while there is one. */
  addTunnel(view: () => TunnelView | undefined): void {
    addTunnelMetrics(this.#metrics, view);
  }

  render(): string {
    return this.#metrics.render();
  }
}
