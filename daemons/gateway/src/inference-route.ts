import { performance } from 'node:perf_hooks';
import { scanBody } from '@labmesh/inference/relay/scan-body';
import type { Relay } from '@labmesh/inference/relay/relay';
import type { RelayRequest } from '@labmesh/inference/relay/relay-request';
import type { Exchange } from '@labmesh/kit/http/exchange';
import type { Logger } from '@labmesh/kit/log';
import { ApiError } from '@labmesh/wire/errors';
import { type Access, authenticate, keyIdOf, mayUseSlugs, requireScope, turnOf } from './access/authenticate.ts';
import type { GatewayMetrics } from './usage/gateway-metrics.ts';
import type { Meter } from './usage/meter.ts';
import { forArena } from './arena/engine-mark.ts';
import { sessionOf } from './session-of.ts';
import { replyError } from './reply.ts';
import type { ModelResolver } from './resolve.ts';
import type { Verification } from './verification/verification.ts';

/** What a relayed request needs; built once by the gateway. */
export type InferenceParts = {
  access: Access;
  defaultModel: string | undefined;
  resolver: ModelResolver;
  relay: Relay;
  meter: Meter;
  metrics: GatewayMetrics;
  log: Logger;
  verification: Verification;
};

/** `path` stands below an endpoint's own prefix; `scope` is what the key must have; only chat can be verified. */
export type InferenceRoute = { path: string; scope: string; hasStreamUsage: boolean; verifiable: boolean };

/** The routes that are relayed to engines, by the path clients use. */
export const inferenceRoutes: ReadonlyMap<string, InferenceRoute> = new Map([
  ['/v1/chat/completions', { path: '/chat/completions', scope: 'chat', hasStreamUsage: true, verifiable: true }],
  ['/v1/completions', { path: '/completions', scope: 'completions', hasStreamUsage: true, verifiable: false }],
  ['/v1/embeddings', { path: '/embeddings', scope: 'embeddings', hasStreamUsage: false, verifiable: false }],
]);

/** ingress → auth → resolve → verification → relay → meter. Always answers; never rejects for a reason the client may know. */
export async function serveInference(
  parts: InferenceParts,
  route: InferenceRoute,
  exchange: Exchange,
  requestId: string,
): Promise<void> {
  const startedAt = performance.now();
  try {
    const identity = authenticate(exchange, parts.access);
    requireScope(identity, route.scope);
    const body = scanBody(await exchange.body());
    const name = body.model ?? parts.defaultModel;
    if (name === undefined || name === '') throw new ApiError('model_required', { param: 'model' });
    const slugs = mayUseSlugs(identity);
    const resolved = parts.resolver.find(name, slugs) ?? (await parts.resolver.resolve(name, slugs));
    const request: RelayRequest = {
      exchange,
      body,
      path: route.path,
      model: resolved.model,
      candidates: resolved.candidates,
      queue: name,
      turn: () => turnOf(identity, exchange),
      session: () => sessionOf(exchange, body),
      requestId,
      hasStreamUsage: route.hasStreamUsage,
      ...forArena(identity, exchange, resolved),
    };
    const aliasMode = parts.resolver.aliases.get(name)?.verification;
    const decided = parts.verification.decide(identity, body, route.verifiable, aliasMode);
    const outcome =
      decided === undefined
        ? await parts.relay.handle(request)
        : await parts.verification.answer({ exchange, requestId, identity, body, name }, decided, (to) =>
            // The same object where nobody looks: another shape of it would cost each request of the gateway.
            parts.relay.handle(to === exchange ? request : { ...request, exchange: to }),
          );
    // Sinks only from here on: the client has its answer.
    const seconds = (performance.now() - startedAt) / 1000;
    parts.meter.book(keyIdOf(identity), name, outcome);
    parts.metrics.relayed(name, outcome, seconds);
    if (outcome.code !== undefined) {
      parts.log.warn('a request failed', {
        request_id: requestId,
        model: name,
        status: outcome.status,
        code: outcome.code,
        endpoint: outcome.endpoint?.spec.name,
        attempts: outcome.attempts,
        detail: outcome.detail,
      });
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    parts.metrics.refused(error.code);
    replyError(exchange, requestId, error);
  }
}
