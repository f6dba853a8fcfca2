import type { Handler } from '@labmesh/kit/http/exchange';
import { metricsContentType } from '@labmesh/kit/metrics';
import { ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import { isLoopback, type ListenAddress } from '@labmesh/kit/http/listen-address';
import type { LabmanMetrics } from './labman-metrics.ts';
import { guardLoopback } from '@labmesh/kit/http/loopback-guard';

/** GET /metrics and nothing else. A private address (`telemetry.allow_lan`) is asked for by its own name. */
export function metricsHandler(metrics: LabmanMetrics, at: ListenAddress): Handler {
  const isLoopbackOnly = isLoopback(at.host);
  return (exchange) => {
    const refused = isLoopbackOnly || exchange.header('origin') !== undefined ? guardLoopback(exchange) : undefined;
    const wrong = exchange.path === '/metrics' ? undefined : new ApiError('unknown_route');
    const method =
      exchange.method === 'GET' ? undefined : new ApiError('method_not_allowed', { message: '/metrics takes GET' });
    const error = refused ?? wrong ?? method;
    if (error === undefined) return exchange.reply(200, [['content-type', metricsContentType]], metrics.render());
    exchange.reply(error.status, [['content-type', 'application/json']], JSON.stringify(openaiErrorBody(error)));
  };
}
