/** Where the arena listens: a socket of its owner alone, or an address, with mTLS when it has certificates. */
import { readFileSync } from 'node:fs';
import { isLoopback } from '@labmesh/kit/http/listen-address';
import { listenPrivately } from '@labmesh/kit/private-socket';
import { arenaLineBytesMost } from '@labmesh/wire/verification/arena-run';
import type { Hono } from 'hono';

export type ArenaAddress =
  | { socketPath: string }
  | { host: string; port: number; tls: { certFile: string; keyFile: string; caFile: string } | undefined };

/** Room for the largest offer in JSON. */
const bodyBytesMost = arenaLineBytesMost + 1024 * 1024;

/** Prompts, answers and a shared secret go this way. */
export class ArenaAddressError extends Error {
  override readonly name = 'ArenaAddressError';
  readonly exitCode = 3;
}

/** Of the issuer on this machine; questions are small. @throws SocketPlaceError */
export async function serveIssuer(app: Hono, socketPath: string): Promise<AsyncDisposable> {
  const unix: object = { maxRequestBodySize: 64 * 1024, fetch: app.fetch, unix: socketPath };
  const server = await listenPrivately(socketPath, () => Bun.serve(unix as Bun.Serve.Options<undefined>));
  return { [Symbol.asyncDispose]: () => server.stop(true) };
}

/** @throws ArenaAddressError off this machine without mTLS; SocketPlaceError; what the system says of an address */
export async function serveArena(app: Hono, address: ArenaAddress): Promise<AsyncDisposable & { port: number | null }> {
  const common = {
    maxRequestBodySize: bodyBytesMost,
    // A run is silent while its models think.
    idleTimeout: 255,
    fetch: (request: Request, server: { timeout: (request: Request, seconds: number) => void }) => {
      server.timeout(request, 0);
      return app.fetch(request);
    },
  };
  if ('socketPath' in address) {
    const unix: object = { ...common, unix: address.socketPath };
    const server = await listenPrivately(address.socketPath, () => Bun.serve(unix as Bun.Serve.Options<undefined>));
    return { port: null, [Symbol.asyncDispose]: () => server.stop(true) };
  }
  const { host, port, tls } = address;
  if (tls === undefined && !isLoopback(host)) {
    throw new ArenaAddressError(
      `off this machine the arena needs mTLS: arena.cert_file, key_file and ca_file beside ${host}`,
    );
  }
  const files = tls && {
    cert: readFileSync(tls.certFile, 'utf8'),
    key: readFileSync(tls.keyFile, 'utf8'),
    ca: readFileSync(tls.caFile, 'utf8'),
    requestCert: true,
    rejectUnauthorized: true,
  };
  const server = Bun.serve({ ...common, hostname: host, port, ...(files !== undefined && { tls: files }) });
  return { port: server.port ?? null, [Symbol.asyncDispose]: () => server.stop(true) };
}
