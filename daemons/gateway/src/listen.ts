import type { Handler, HttpServer } from '@labmesh/kit/http/exchange';
import { startRawServer } from '@labmesh/kit/http/raw-server';
import { startServeServer } from '@labmesh/kit/http/serve-server';
import type { Logger } from '@labmesh/kit/log';
import type { GatewayOptions } from './gateway-options.ts';

/*
 * The only place that knows there are two HTTP engines: everything behind it is written against Exchange, and the same
 * stories run on both.
 */

/** Opens the API's listener on the HTTP engine that was chosen. Throws system errors such as EADDRINUSE. */
export function listen(options: GatewayOptions, handler: Handler, log: Logger): HttpServer {
  const start = options.engine === 'serve' ? startServeServer : startRawServer;
  return start({
    hostname: options.host,
    port: options.port,
    handler,
    limits: {
      headerBytesMax: options.headerBytesMax,
      bodyBytesMax: options.bodyBytesMax,
      bufferedBytesMax: options.bufferedBytesMax,
      connectionsMax: options.connectionsMax,
      headerTimeoutMs: options.headerTimeoutS * 1000,
      bodyIdleMs: options.bodyIdleS * 1000,
      keepAliveMs: options.keepAliveS * 1000,
      clientStallMs: options.clientStallS * 1000,
    },
    onHandlerError: (error) => log.error('a request met a fault of ours', { error }),
  });
}
