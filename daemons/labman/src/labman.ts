/**
 * One node, put together: registry → slugs → proxy. `labctl up` gives its own registry, so that gateway and node know
 * the same endpoints and a request makes one hop. Tunnel, Conplane link and portman link are not in this version.
 */
import { Admission } from '@labmesh/inference/choose/admission';
import { Registry } from '@labmesh/inference/watch/registry';
import { Relay } from '@labmesh/inference/relay/relay';
import { isReturnedByNode } from '@labmesh/inference/relay/relay-headers';
import type { Clock } from '@labmesh/kit/clock';
import { HttpPool } from '@labmesh/kit/http/client';
import type { Handler, HttpServer } from '@labmesh/kit/http/exchange';
import { fetchWhole } from '@labmesh/kit/http/fetch-whole';
import { startRawServer } from '@labmesh/kit/http/raw-server';
import type { Logger } from '@labmesh/kit/log';
import { isLoopback, type ListenAddress, showListenAddress } from './config/listen-address.ts';
import type { LabmanConfig } from './labman-config.ts';
import { LabmanMetrics } from './labman-metrics.ts';
import { metricsHandler } from './metrics-handler.ts';
import { localPaths, proxyHandler } from './proxy.ts';
import { SlugIndex } from './slug-index.ts';
import { loadSlugKey } from './slug-key.ts';

export type LabmanParts = {
  /** A registry that runs already; the node adds no endpoints to it. Without: an own one of the configured endpoints. */
  registry?: Registry;
  pool?: HttpPool;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Keeps the slug key. */
  stateDir: string;
};

export interface Labman extends AsyncDisposable {
  /** Port of `proxy.local_addr`; undefined without one. */
  readonly proxyPort: number | undefined;
  readonly metricsPort: number | undefined;
  readonly slugs: SlugIndex;
  readonly registry: Registry;
  /** Refuses new requests, waits `proxy.drain_timeout_s`, ends the rest with an in-band error. Gives how many. */
  drain(): Promise<number>;
}

/** The address is taken by somebody else. */
export class AddressInUseError extends Error {
  readonly exitCode = 6;
  override name = 'AddressInUseError';
}

const waitStepMs = 50;
const cutGraceMs = 1_000;
/** A slug names one endpoint: one more try, then the asker chooses anew (X11). */
const attemptsMax = 2;
/** Requests that wait for one model (`queue_max`). */
const queueMax = 16;
const queueMs = 10_000;

function listen(key: string, address: ListenAddress, handler: Handler, log: Logger, bodyBytesMax?: number): HttpServer {
  try {
    return startRawServer({
      hostname: address.host,
      port: address.port,
      handler,
      limits: bodyBytesMax === undefined ? {} : { bodyBytesMax },
      onHandlerError: (error) => log.error('a request met a fault of ours', { error }),
    });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    throw new AddressInUseError(
      `${key}: ${showListenAddress(address)} is in use; stop the program that has it or write another port`,
    );
  }
}

async function ownRegistry(config: LabmanConfig, parts: LabmanParts, pool: HttpPool): Promise<Registry> {
  const { clock, log } = parts;
  const registry = new Registry({ clock, log, fetch: (target, request) => fetchWhole(pool, target, request) });
  for (const spec of config.endpoints) registry.add(spec);
  await registry.start(parts.signal);
  return registry;
}

/**
 * Starts a node. Resolves when its first pass over the endpoints ended and its listeners are open.
 * @throws OptionsError for the slug key, AddressInUseError for a listener.
 */
export async function startLabman(config: LabmanConfig, parts: LabmanParts): Promise<Labman> {
  const { clock, log, signal } = parts;
  await using stack = new AsyncDisposableStack();
  const key = config.slugScheme === 'sealed' ? loadSlugKey(parts.stateDir) : undefined;
  const pool = parts.pool ?? stack.use(new HttpPool());
  const registry = parts.registry ?? stack.use(await ownRegistry(config, parts, pool));
  const admission = stack.use(new Admission({ registry, clock, limits: { queueMax, queueMs } }));
  const relay = stack.use(
    new Relay({ pool, registry, admission, clock, isReturned: isReturnedByNode, limits: { attemptsMax } }),
  );
  const metrics = new LabmanMetrics({ registry, queued: () => admission.queued });
  const slugs = new SlugIndex({ registry, scheme: config.slugScheme, key, log });
  const ending = new AbortController();
  stack.defer(() => ending.abort());
  await slugs.start(AbortSignal.any([signal, ending.signal]));
  let draining = false;
  const { local, bodyBytesMax, streamsMax, injectUsage, drainTimeoutMs } = config.proxy;
  const handler = proxyHandler({
    relay,
    registry,
    slugs,
    paths: localPaths,
    isLocal: true,
    streamsMax,
    injectUsage,
    metrics,
    log,
    isDraining: () => draining,
  });
  const server =
    local === undefined ? undefined : stack.use(listen('proxy.local_addr', local, handler, log, bodyBytesMax));
  const { metrics: at } = config.telemetry;
  const metricsServer =
    at === undefined
      ? undefined
      : stack.use(listen('telemetry.metrics_port', at, metricsHandler(metrics, isLoopback(at.host)), log));
  const drain = async (): Promise<number> => {
    draining = true;
    const until = performance.now() + drainTimeoutMs;
    while ((server?.inFlight ?? 0) > 0 && performance.now() < until) await Bun.sleep(waitStepMs);
    const cut = relay.shutDown();
    await server?.drain(cutGraceMs);
    return cut;
  };
  const running = stack.move();
  return {
    proxyPort: server?.port,
    metricsPort: metricsServer?.port,
    slugs,
    registry,
    drain,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
