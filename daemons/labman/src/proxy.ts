/**
 * The node's proxy: the OpenAI routes it offers, by slug. A slug fixes endpoint and model, nothing is decided again
 * here; only the operator's own address also takes plain model ids, which go to the least loaded endpoint.
 * Source: network plane 2.6.
 */
import type { Registry } from '@labmesh/inference/watch/registry';
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Relay } from '@labmesh/inference/relay/relay';
import { scanBody } from '@labmesh/inference/relay/scan-body';
import type { Exchange, Handler } from '@labmesh/kit/http/exchange';
import type { Logger } from '@labmesh/kit/log';
import { ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import { cleanRequestId } from '@labmesh/wire/ids';
import { type ProxyPath, proxyPaths } from './config/tables.ts';
import type { LabmanMetrics } from './labman-metrics.ts';
import { guardLoopback } from '@labmesh/kit/http/loopback-guard';
import { plainModels, slugModels } from './models-list.ts';
import { NodeExchange } from './guard/node-exchange.ts';
import { shownModelId } from './guard/shown-model-id.ts';
import type { SlugIndex } from './slugs/slug-index.ts';

export type ProxyParts = {
  relay: Relay;
  registry: Registry;
  slugs: Pick<SlugIndex, 'find' | 'entries' | 'settled'>;
  /** Routes that are offered; those that this version does not have stay 404. */
  paths: readonly ProxyPath[];
  /** The operator's loopback address: takes plain model ids, refuses browser pages. */
  isLocal: boolean;
  /** On the tunnel address: the only one that may ask (X1). */
  conplaneAddress?: string;
  /** Requests at once. */
  streamsMax: number;
  injectUsage: boolean;
  metrics: LabmanMetrics;
  log: Logger;
  isDraining: () => boolean;
};

/** What the local address offers, whatever `proxy.paths` says of the tunnel. */
export const localPaths: readonly ProxyPath[] = ['chat', 'completions', 'embeddings', 'models'];

type Route = { path: string; hasStreamUsage: boolean };
const relayed: Partial<Record<ProxyPath, Route>> = {
  chat: { path: '/chat/completions', hasStreamUsage: true },
  completions: { path: '/completions', hasStreamUsage: true },
  embeddings: { path: '/embeddings', hasStreamUsage: false },
};

type Resolved = { model: string; candidates: () => readonly Endpoint[] };

function replyJson(exchange: Exchange, requestId: string, value: unknown): void {
  exchange.reply(
    200,
    [
      ['content-type', 'application/json'],
      ['x-request-id', requestId],
    ],
    JSON.stringify(value),
  );
}

function replyError(exchange: Exchange, requestId: string, error: ApiError): void {
  if (exchange.started || exchange.aborted) return;
  const headers: Array<readonly [string, string]> = [
    ['content-type', 'application/json'],
    ['x-request-id', requestId],
  ];
  if (error.retryAfterS !== undefined) headers.push(['retry-after', String(Math.ceil(error.retryAfterS))]);
  exchange.reply(error.status, headers, JSON.stringify(openaiErrorBody(error, requestId)));
}

/** One listener's proxy: the routes that are on, and how many requests run. */
class Proxy {
  readonly #parts: ProxyParts;
  readonly #routes = new Map<string, Route | 'models'>();
  #running = 0;

  constructor(parts: ProxyParts) {
    this.#parts = parts;
    for (const name of parts.paths) {
      const route = name === 'models' ? 'models' : relayed[name];
      if (route !== undefined) this.#routes.set(proxyPaths[name], route);
    }
  }

  async handle(exchange: Exchange): Promise<void> {
    const requestId = cleanRequestId(exchange.header('x-request-id'));
    const booking = this.#parts.metrics.begin();
    this.#running++;
    try {
      const route = this.#admit(exchange);
      if (route === 'models') return this.#listModels(exchange, requestId);
      await this.#relay(exchange, requestId, route, booking.relayed);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      booking.refused(error.code);
      this.#parts.log.debug('request refused', { request_id: requestId, code: error.code });
      replyError(exchange, requestId, error);
    } finally {
      this.#running--;
      booking.end();
    }
  }

  /** What the request is for, or why it is not taken. Nothing of the body is read before. */
  #admit(exchange: Exchange): Route | 'models' {
    const { isLocal, isDraining, streamsMax, conplaneAddress } = this.#parts;
    if (conplaneAddress !== undefined && exchange.peer !== conplaneAddress) throw new ApiError('not_conplane');
    const refused = isLocal ? guardLoopback(exchange) : undefined;
    if (refused !== undefined) throw refused;
    const route = this.#routes.get(exchange.path);
    if (route === undefined) throw new ApiError('path_not_exposed');
    const method = route === 'models' ? 'GET' : 'POST';
    if (exchange.method !== method)
      throw new ApiError('method_not_allowed', { message: `${exchange.path} takes ${method}` });
    if (isDraining()) throw new ApiError('draining');
    if (this.#running > streamsMax) throw new ApiError('node_busy');
    return route;
  }

  #listModels(exchange: Exchange, requestId: string): void {
    const { slugs, registry } = this.#parts;
    const asIds = new URLSearchParams(exchange.query).get('view') === 'ids';
    replyJson(
      exchange,
      requestId,
      asIds ? plainModels(slugs.entries(), registry) : slugModels(slugs.entries(), registry),
    );
  }

  async #relay(
    exchange: Exchange,
    requestId: string,
    route: Route,
    book: ReturnType<LabmanMetrics['begin']>['relayed'],
  ): Promise<void> {
    const { relay, log, injectUsage } = this.#parts;
    const type = exchange.header('content-type');
    if (type !== undefined && !/^application\/(?:[\w.-]+\+)?json\b/i.test(type))
      throw new ApiError('unsupported_media_type');
    const body = scanBody(await exchange.body());
    if (body.model === undefined || body.model === '')
      throw new ApiError('model_required', {
        param: 'model',
        message: "the field 'model' is missing; see GET /v1/models",
      });
    const { model, candidates } = this.#find(body.model) ?? (await this.#findLate(body.model));
    log.debug('request', { request_id: requestId, path: route.path, model: shownModelId(model) });
    const hasStreamUsage = route.hasStreamUsage && injectUsage;
    const outcome = await relay.handle({
      exchange: new NodeExchange(exchange, model),
      body,
      path: route.path,
      model,
      candidates,
      queue: body.model,
      requestId,
      hasStreamUsage,
    });
    book(outcome, model);
    const { status, code, endpoint, attempts, detail } = outcome;
    const fields = { request_id: requestId, status, endpoint: endpoint?.spec.name };
    if (code === undefined) log.debug('request done', fields);
    else log.warn('a request failed', { ...fields, code, attempts, detail });
  }

  /** Slug first: it says more than a name. A model id that looks like a slug of ours can be asked for by its slug. */
  #find(name: string): Resolved | undefined {
    const { slugs, registry, isLocal } = this.#parts;
    const target = slugs.find(name);
    if (target !== undefined) {
      const { endpoint, model } = target;
      // Waiting makes sense for what comes back by itself; an endpoint that is down is the asker's to replace.
      if (endpoint.state === 'unhealthy' || endpoint.state === 'config_error') throw new ApiError('endpoint_unhealthy');
      const fixed = [endpoint];
      return { model, candidates: () => fixed };
    }
    if (!isLocal) return undefined;
    if (registry.serving(name).length > 0) return { model: name, candidates: () => registry.serving(name) };
    // The list shows path-like ids by their last part, so that is what a client will ask for.
    for (const id of registry.models().keys()) {
      if (shownModelId(id) === name) return { model: id, candidates: () => registry.serving(id) };
    }
    return undefined;
  }

  /** Asks the endpoints once more for their lists: a model may have come a moment ago. */
  async #findLate(name: string): Promise<Resolved> {
    const { registry, slugs } = this.#parts;
    await registry.refreshOnMiss();
    await slugs.settled();
    const late = this.#find(name);
    if (late !== undefined) return late;
    throw new ApiError('model_not_found', {
      param: 'model',
      message: 'this model is unknown; GET /v1/models lists what is served',
    });
  }
}

/** The proxy as a handler for any of our HTTP servers. */
export function proxyHandler(parts: ProxyParts): Handler {
  const proxy = new Proxy(parts);
  return (exchange) => proxy.handle(exchange);
}
