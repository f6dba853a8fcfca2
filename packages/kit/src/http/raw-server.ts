/**
 * HTTP/1.1 on bare sockets. One object per connection, one per request; no promise, Response or timer per request is
 * needed, which is what brings a relay near nginx's cost. Strictness lives in head.ts and chunked.ts.
 */
import { Deadlines } from '../deadlines.ts';
import type { Handler, HttpLimits, HttpServer } from './exchange.ts';
import { httpLimits } from './exchange.ts';
import { RawConnection, type RawShared } from './raw-connection.ts';

export type RawServerOptions = {
  hostname: string;
  /** 0 picks a free one. */
  port: number;
  handler: Handler;
  limits?: Partial<HttpLimits>;
  onHandlerError: (error: unknown) => void;
};

const busyAnswer =
  'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n';

/** Listens on `hostname:port`. Throws what Bun.listen throws (EADDRINUSE and the like). */
export function startRawServer(options: RawServerOptions): HttpServer {
  const deadlines = new Deadlines();
  const shared: RawShared = {
    handler: options.handler,
    limits: { ...httpLimits, ...options.limits },
    deadlines,
    connections: new Set(),
    bufferedBytes: 0,
    inFlight: 0,
    draining: false,
    onHandlerError: options.onHandlerError,
  };
  const listener = Bun.listen<RawConnection>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open(socket) {
        if (shared.connections.size >= shared.limits.connectionsMax) {
          socket.end(busyAnswer);
          return;
        }
        const connection = new RawConnection(socket, shared);
        socket.data = connection;
        socket.setNoDelay(true);
        shared.connections.add(connection);
        deadlines.add(connection);
      },
      data: (socket, bytes) => socket.data?.onData(bytes),
      drain: (socket) => socket.data?.onSocketDrain(),
      close: (socket) => socket.data?.onClose(),
      error: (socket) => socket.data?.destroy(),
    },
  });
  let stopped = false;
  const stop = () => {
    if (!stopped) listener.stop();
    stopped = true;
  };
  const drain = async (graceMs: number): Promise<number> => {
    shared.draining = true;
    stop();
    for (const connection of shared.connections) if (connection.idle) connection.destroy();
    const until = performance.now() + graceMs;
    while (shared.connections.size > 0 && performance.now() < until) await Bun.sleep(20);
    // A finished answer that its client has not taken yet is cut too.
    const unsent = [...shared.connections].filter((connection) => connection.hasUnsentAnswer).length;
    const cut = shared.inFlight + unsent;
    for (const connection of shared.connections) connection.destroy();
    return cut;
  };
  return {
    hostname: options.hostname,
    port: listener.port,
    get inFlight() {
      return shared.inFlight;
    },
    get connections() {
      return shared.connections.size;
    },
    drain,
    async [Symbol.asyncDispose]() {
      await drain(0);
    },
  };
}
