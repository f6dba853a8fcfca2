import type { Exchange } from './exchange.ts';
import { ApiError } from '@labmesh/wire/errors';
import { isLoopback } from './listen-address.ts';

const hostOf = (header: string) => /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(header)?.[1];

/**
 * Keeps browser pages away from loopback listeners (network plane S16). A page of another origin says so in `Origin`; a
 * page that made its own name point to 127.0.0.1 (DNS rebinding) says so in `Host`.
 */
export function guardLoopback(exchange: Pick<Exchange, 'header'>): ApiError | undefined {
  if (exchange.header('origin') !== undefined) return new ApiError('origin_refused');
  const host = hostOf(exchange.header('host') ?? '');
  if (host !== undefined && isLoopback(host)) return undefined;
  return new ApiError('origin_refused', { message: 'the Host header must be a loopback address such as 127.0.0.1' });
}
