/**
 * One node, put together: registry → slugs → proxy. `labctl up` gives its own registry, so that gateway and node know
 * the same endpoints and a request makes one hop. The portman link is not in this version.
 */
import { Registry } from '@labmesh/inference/watch/registry';
import type { Clock } from '@labmesh/kit/clock';
import type { HttpServer } from '@labmesh/kit/http/exchange';
import { HttpPool } from '@labmesh/kit/http/client';
import { fetchWhole } from '@labmesh/kit/http/fetch-whole';
import type { Logger } from '@labmesh/kit/log';
import type { LabmanConfig } from './labman-config.ts';
import { LabmanMetrics } from './labman-metrics.ts';
import { metricsHandler } from './metrics-handler.ts';
import { nodeRelay } from './node-relay.ts';
import { openListener } from './open-listener.ts';
import { localPaths, proxyHandler } from './proxy.ts';
import { SlugIndex } from './slugs/slug-index.ts';
import { loadSlugKey } from './slugs/slug-key.ts';

export { AddressInUseError } from './open-listener.ts';

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
  readonly metrics: LabmanMetrics;
  readonly isDraining: boolean;
  /** Serves the proxy on the tunnel's address, for the hub alone (X1). Call it where that address is. @throws the bind's error */
  serveTunnel(tunnel: { address: string; hubAddress: string; port: number }): AsyncDisposable;
  /** Refuses new requests, waits `proxy.drain_timeout_s`, ends the rest with an in-band error. Gives how many. */
  drain(): Promise<number>;
}

/** Longest wait for the first answers of the endpoints before listeners open. */
const firstPassMs = 2_000;
/** How often a drain looks whether the last request ended. */
const waitStepMs = 50;
/** Time for in-band errors to reach their clients before sockets are cut. */
const cutGraceMs = 1_000;
async function ownRegistry(config: LabmanConfig, parts: LabmanParts, pool: HttpPool): Promise<Registry> {
  const { clock, log } = parts;
  const registry = new Registry({ clock, log, fetch: (target, request) => fetchWhole(pool, target, request) });
  for (const spec of config.endpoints) registry.add(spec);
  const passed = registry.start(parts.signal);
  // A hung endpoint must not keep the others from being served.
  const waiting = new AbortController();
  const waited = clock.sleep(firstPassMs, waiting.signal).catch(() => {});
  await Promise.race([passed, waited]);
  waiting.abort();
  return registry;
}

/**
 * Starts a node. Resolves when its endpoints were asked once (2 s at most) and its listeners are open.
 * @throws OptionsError for the slug key, AddressInUseError for a listener.
 */
export async function startLabman(config: LabmanConfig, parts: LabmanParts): Promise<Labman> {
  const { clock, log, signal } = parts;
  await using stack = new AsyncDisposableStack();
  const key = config.slugScheme === 'sealed' ? loadSlugKey(parts.stateDir) : undefined;
  const pool = parts.pool ?? stack.use(new HttpPool());
  const registry = parts.registry ?? stack.use(await ownRegistry(config, parts, pool));
  const { relay, queued } = nodeRelay({ registry, pool, clock }, stack);
  const metrics = new LabmanMetrics({ registry, queued });
  const slugs = new SlugIndex({ registry, scheme: config.slugScheme, key, log });
  // Made before any listener opens, so that the first request finds its slug.
  const ending = new AbortController();
  stack.defer(() => ending.abort());
  await slugs.start(AbortSignal.any([signal, ending.signal]));
  let draining = false;
  const { local, paths, bodyBytesMax, streamsMax, injectUsage, drainTimeoutMs } = config.proxy;
  const proxy = { relay, registry, slugs, streamsMax, injectUsage, metrics, log, isDraining: () => draining };
  const handler = proxyHandler({ ...proxy, paths: localPaths, isLocal: true });
  const inTunnel = new Set<HttpServer>();
  const serveTunnel = ({ address, hubAddress, port }: { address: string; hubAddress: string; port: number }) => {
    const forHub = proxyHandler({ ...proxy, paths, isLocal: false, conplaneAddress: hubAddress });
    const opened = openListener('proxy.listen_port', { host: address, port }, forHub, log, bodyBytesMax);
    inTunnel.add(opened);
    return {
      async [Symbol.asyncDispose]() {
        inTunnel.delete(opened);
        await opened[Symbol.asyncDispose]();
      },
    };
  };
  const server =
    local === undefined ? undefined : stack.use(openListener('proxy.local_addr', local, handler, log, bodyBytesMax));
  const { metrics: at } = config.telemetry;
  const metricsServer =
    at === undefined
      ? undefined
      : stack.use(openListener('telemetry.metrics_port', at, metricsHandler(metrics, at), log));
  const drain = async (): Promise<number> => {
    draining = true;
    const until = performance.now() + drainTimeoutMs;
    const servers = [...inTunnel, ...(server === undefined ? [] : [server])];
    const isBusy = () => servers.some(({ inFlight }) => inFlight > 0);
    while (isBusy() && performance.now() < until) await Bun.sleep(waitStepMs);
    const cut = relay.shutDown();
    await Promise.all(servers.map((one) => one.drain(cutGraceMs)));
    return cut;
  };
  const running = stack.move();
  return {
    proxyPort: server?.port,
    metricsPort: metricsServer?.port,
    slugs,
    registry,
    metrics,
    get isDraining() {
      return draining;
    },
    serveTunnel,
    drain,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
