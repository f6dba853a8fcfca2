/**
 * The gateway: the public OpenAI API in front of the registry. Requests go
 *
 *     ingress → auth → resolve → queue → choose → relay → meter
 *
 * and only the relay's outcome goes on to log, metrics and usage: nothing reads those back. In one process with labman
 * there is one hop: both use the same registry, and the gateway talks to the engines itself.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { Admission } from '@labmesh/inference/choose/admission';
import type { Registry } from '@labmesh/inference/watch/registry';
import { Relay } from '@labmesh/inference/relay/relay';
import type { Clock } from '@labmesh/kit/clock';
import type { HttpPool } from '@labmesh/kit/http/client';
import type { HttpLimits, HttpServer } from '@labmesh/kit/http/exchange';
import { startRawServer } from '@labmesh/kit/http/raw-server';
import { startServeServer } from '@labmesh/kit/http/serve-server';
import type { Logger } from '@labmesh/kit/log';
import { OptionsError } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import type { GatewayStatus, ServedModel } from '@labmesh/wire/admin';
import { readAliases } from './aliases.ts';
import { isLoopback } from './authenticate.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { gatewayHandler } from './handler.ts';
import { KeyStore } from './key-store.ts';
import { Meter } from './meter.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import { type FindSlug, ModelResolver } from './resolve.ts';
import { servedModels } from './served-models.ts';

export type GatewayParts = {
  /** Keys, pepper, usage and the first key live here. */
  dataDir: string;
  registry: Registry;
  pool: HttpPool;
  clock: Clock;
  log: Logger;
  version: string;
  file?: OptionsFile | undefined;
  findSlug?: FindSlug | undefined;
};

export interface Gateway extends AsyncDisposable {
  /** Base URL for clients, such as `http://127.0.0.1:8080/v1`. */
  readonly api: string;
  readonly port: number;
  readonly adminToken: string;
  /** `created`: made by this start; its text is to be shown now and never again. */
  readonly firstKey: { text: string; file: string; created: boolean };
  readonly inFlight: number;
  models(): ServedModel[];
  /** Takes no more requests, waits for open ones, ends the rest with an in-band error. Gives how many were cut. */
  drain(graceMs: number, onProgress?: (open: number) => void): Promise<number>;
}

const wildcards = new Set(['0.0.0.0', '::', '[::]', '*', '']);
const cutGraceMs = 1_000;

/** Refuses addresses that an operator may not have meant. @throws OptionsError naming the settings. */
function checkBind(options: GatewayOptions): void {
  if (wildcards.has(options.host) && !options.allowWildcard) {
    throw new OptionsError(
      { source: 'gateway.host', found: JSON.stringify(options.host), expected: 'an address of this machine', exitCode: 8, hint: 'add --allow-wildcard or gateway.allow_wildcard = true to mean it' },
    );
  }
  if (options.openAccess && options.host !== 'localhost' && !isLoopback(options.host)) {
    throw new OptionsError({ source: 'gateway.auth.open', exitCode: 8, hint: 'keep keys on, or listen on 127.0.0.1' }, 'open access is for loopback only');
  }
}

function firstKey(keys: KeyStore, dataDir: string): Gateway['firstKey'] {
  const file = join(dataDir, 'api.key');
  const text = readPrivateFile(file)?.trim();
  if (text !== undefined && text !== '') {
    chmodSync(file, 0o600);
    return { text, file, created: false };
  }
  if (keys.size > 0) return { text: '', file, created: false };
  const made = keys.create('first');
  writePrivateFile(file, `${made.text}\n`);
  return { text: made.text, file, created: true };
}

function httpLimitsOf(options: GatewayOptions): Partial<HttpLimits> {
  return {
    headerBytesMax: options.headerBytesMax,
    bodyBytesMax: options.bodyBytesMax,
    bufferedBytesMax: options.bufferedBytesMax,
    connectionsMax: options.connectionsMax,
    headerTimeoutMs: options.headerTimeoutS * 1000,
    bodyIdleMs: options.bodyIdleS * 1000,
    keepAliveMs: options.keepAliveS * 1000,
    clientStallMs: options.clientStallS * 1000,
  };
}

const urlHost = (host: string) => (wildcards.has(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host);

/** Starts the gateway. @throws OptionsError for settings, system errors such as EADDRINUSE for the listener. */
export async function startGateway(options: GatewayOptions, parts: GatewayParts): Promise<Gateway> {
  checkBind(options);
  const { registry, clock, log } = parts;
  const folder = join(parts.dataDir, 'gateway');
  const resolver = new ModelResolver(registry, readAliases(parts.file), parts.findSlug);
  await using stack = new AsyncDisposableStack();
  const keys = stack.use(new KeyStore(folder));
  const meter = stack.use(new Meter(folder));
  const admission = stack.use(
    new Admission({
      registry,
      clock,
      limits: { queueMax: options.queueMax, queueMs: options.queueTimeoutS * 1000, loadMs: options.loadS * 1000, downWaitMs: options.queueDownWaitS * 1000 },
    }),
  );
  const relay = stack.use(
    new Relay({
      pool: parts.pool,
      registry,
      admission,
      clock,
      limits: {
        attemptsMax: options.attemptsMax,
        responseBytesMax: options.responseBytesMax,
        keepaliveAfterMs: options.keepaliveAfterS * 1000,
        keepaliveEveryMs: options.keepaliveEveryS * 1000,
      },
    }),
  );
  const startedAt = clock.now();
  let draining = false;
  let server: HttpServer | undefined = undefined as HttpServer | undefined;
  const inFlight = () => server?.inFlight ?? 0;
  const metrics = new GatewayMetrics({ registry, clock, inFlight, queued: () => admission.queued });
  const adminToken = `lma_${randomBytes(32).toString('base64url')}`;
  const models = () => servedModels(registry, resolver);
  const status = (): GatewayStatus => ({
    version: parts.version,
    state: draining ? 'draining' : 'running',
    uptimeS: Math.round((clock.now() - startedAt) / 1000),
    api,
    inFlight: inFlight(),
    queued: admission.queued,
    connections: server?.connections ?? 0,
    endpoints: { total: registry.endpoints.length, healthy: registry.endpoints.filter((endpoint) => registry.usable(endpoint)).length },
    models: models().filter((row) => row.servable).length,
  });
  const drain = async (graceMs: number, onProgress?: (open: number) => void): Promise<number> => {
    draining = true;
    const until = performance.now() + graceMs;
    while (inFlight() > 0 && performance.now() < until) {
      onProgress?.(inFlight());
      await Bun.sleep(Math.min(100, graceMs));
    }
    const cut = relay.shutDown();
    await server?.drain(cutGraceMs);
    return cut;
  };
  const handler = gatewayHandler({
    inference: { keys, openAccess: options.openAccess, defaultModel: options.defaultModel, resolver, relay, meter, metrics, log },
    admin: {
      adminToken, keys, meter, registry, resolver, clock, log, status,
      drain: () => {
        void drain(options.drainS * 1000);
        return { inFlight: inFlight(), graceS: options.drainS };
      },
    },
    models,
    isDraining: () => draining,
  });
  const start = options.engine === 'serve' ? startServeServer : startRawServer;
  server = start({
    hostname: options.host,
    port: options.port,
    handler,
    limits: httpLimitsOf(options),
    onHandlerError: (error) => log.error('a request met a fault of ours', { error }),
  });
  stack.use(server);
  const { port } = server;
  const api = `http://${urlHost(options.host)}:${port}/v1`;
  if (wildcards.has(options.host)) log.warn(`listening on ${options.host}: every network of this machine can reach port ${port}`);
  if (options.openAccess) log.warn('open access: anybody on this machine may use the API without a key');
  const running = stack.move();
  return {
    api,
    port,
    adminToken,
    firstKey: options.openAccess ? { text: '', file: join(parts.dataDir, 'api.key'), created: false } : firstKey(keys, parts.dataDir),
    get inFlight() {
      return inFlight();
    },
    models: () => models().filter((row) => row.servable).map(({ created: _, ownedBy: __, servable: ___, ...model }) => model),
    drain,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
