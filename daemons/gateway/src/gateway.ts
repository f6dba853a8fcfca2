/**
 * The gateway: the public OpenAI API in front of the registry. Requests go
 *
 *     ingress → auth → resolve → verification → queue → choose → relay → meter
 *
 * and only the relay's outcome goes on to log, metrics and usage: nothing reads those back. In one process with labman
 * there is one hop: both use the same registry, and the gateway talks to the engines itself.
 */
import { randomBytes } from 'node:crypto';
import type { HttpServer } from '@labmesh/kit/http/exchange';
import type { GatewayStatus, ServedModel } from '@labmesh/wire/admin';
import { checkBind, urlHost } from './access/bind-address.ts';
import { type FirstKey, firstKey } from './access/first-key.ts';
import { GatewayMetrics } from './usage/gateway-metrics.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { gatewayHandler, type GatewayHandler } from './handler.ts';
import { listen } from './listen.ts';
import { openService, type Service, type ServiceParts } from './open-service.ts';
import { servedModel, servedModels } from './served-models.ts';

export type GatewayParts = ServiceParts & { version: string };

/** After a drain: time for the last in-band errors to leave. */
const cutGraceMs = 1_000;
const drainTickMs = 100;

/** A running gateway. Disposing of it cuts what is open; `drain` first to be gentle. */
export class Gateway implements AsyncDisposable {
  readonly adminToken = `lma_${randomBytes(32).toString('base64url')}`;
  readonly firstKey: FirstKey;
  readonly #options: GatewayOptions;
  readonly #parts: GatewayParts;
  readonly #service: Service;
  readonly #routes: GatewayHandler;
  readonly #server: HttpServer;
  readonly #startedAt: number;
  /** Every network of the machine can reach it. */
  readonly isWildcard: boolean;
  readonly #drained = Promise.withResolvers<number>();
  #draining = false;

  constructor(
    options: GatewayOptions,
    parts: GatewayParts,
    service: Service,
    decided: { isWildcard: boolean; firstKey: FirstKey },
  ) {
    this.isWildcard = decided.isWildcard;
    this.firstKey = decided.firstKey;
    this.#options = options;
    this.#parts = parts;
    this.#service = service;
    this.#startedAt = parts.clock.now();
    this.#routes = this.#handler();
    this.#server = listen(options, this.#routes.handler, parts.log);
  }

  /** Base URL for clients, such as `http://127.0.0.1:8080/v1`. */
  get api(): string {
    return `http://${urlHost(this.#options.host, this.isWildcard)}:${this.port}/v1`;
  }
  get port(): number {
    return this.#server.port;
  }
  /** The arena's key: its calls are never verified again, and booked to the key that they are made for. */
  get internalToken(): string {
    return this.#service.internalToken;
  }
  /** Exchanges without an end. */
  get inFlight(): number {
    return this.#server.inFlight;
  }

  /** Models that can be served now. */
  models(): ServedModel[] {
    return servedModels(this.#parts.registry, this.#service.resolver)
      .filter((row) => row.servable)
      .map(servedModel);
  }

  /** Wires routes to the parts they use: each route gets what it needs, none gets the gateway. */
  #handler(): GatewayHandler {
    const { registry, clock, log } = this.#parts;
    const { keys, meter, resolver, relay, admission, internalToken, verification } = this.#service;
    const { openAccess, defaultModel, drainS, verificationWaitMs } = this.#options;
    const access = { keys, openAccess, internalToken };
    const metrics = new GatewayMetrics({
      registry,
      clock,
      inFlight: () => this.inFlight,
      queued: () => admission.queued,
      verification: verification.watched,
    });
    verification.onResult = (mode, result) => metrics.verified(mode, result);
    const isDraining = () => this.#draining;
    const drain = () => {
      void this.drain(drainS * 1000);
      return { inFlight: this.inFlight, graceS: drainS };
    };
    return gatewayHandler({
      inference: { access, defaultModel, resolver, relay, meter, metrics, log, verification },
      arena: { access, verification, resolver, defaultModel, waitMs: verificationWaitMs, isDraining },
      admin: {
        adminToken: this.adminToken,
        keys,
        meter,
        registry,
        resolver,
        clock,
        log,
        status: () => this.status(),
        drain,
        setMode: (word) => verification.setMode(word),
        clearCache: (tenant) => verification.kept.forget(tenant),
      },
      models: () => servedModels(registry, resolver),
      isDraining,
    });
  }

  /** What `labctl status` shows. */
  status(): GatewayStatus {
    const { registry, clock, version } = this.#parts;
    const { mode, kept } = this.#service.verification;
    // Counts requests that are relayed, not this call itself.
    return {
      version,
      state: this.#draining ? 'draining' : 'running',
      uptimeS: Math.round((clock.now() - this.#startedAt) / 1000),
      api: this.api,
      inFlight: this.#service.relay.running.size,
      queued: this.#service.admission.queued,
      connections: this.#server.connections,
      endpoints: {
        total: registry.endpoints.length,
        healthy: registry.endpoints.filter((endpoint) => registry.usable(endpoint)).length,
      },
      models: this.models().length,
      verification: { mode, cached: kept.size },
    };
  }

  /** Resolves when a drain is over, whoever asked for it: the process has nothing left to do. */
  get drained(): Promise<number> {
    return this.#drained.promise;
  }

  /**
   * Takes no more requests, waits up to `graceMs` for open ones, ends the rest with an in-band error. Gives how many
   * were cut. A second call waits for the first.
   */
  drain(graceMs: number, onProgress?: (open: number) => void): Promise<number> {
    if (!this.#draining) void this.#drain(graceMs, onProgress);
    return this.drained;
  }

  async #drain(graceMs: number, onProgress?: (open: number) => void): Promise<void> {
    this.#draining = true;
    this.#routes.shutDown();
    const until = performance.now() + graceMs;
    while (this.inFlight > 0 && performance.now() < until) {
      onProgress?.(this.inFlight);
      await Bun.sleep(Math.min(drainTickMs, graceMs));
    }
    this.#service.verification.shutDown();
    const told = this.#service.relay.shutDown();
    const unsent = await this.#server.drain(cutGraceMs);
    this.#drained.resolve(told + unsent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await this.#service[Symbol.asyncDispose]();
  }
}

/** Starts the gateway. @throws OptionsError for settings, system errors such as EADDRINUSE for the listener. */
export async function startGateway(options: GatewayOptions, parts: GatewayParts): Promise<Gateway> {
  const { isWildcard } = await checkBind(options);
  const service = await openService(options, parts);
  try {
    const key = options.openAccess
      ? { text: '', file: '', created: false }
      : await firstKey(service.keys, parts.dataDir);
    const gateway = new Gateway(options, parts, service, { isWildcard, firstKey: key });
    if (isWildcard)
      parts.log.warn(`listening on ${options.host}: every network of this machine can reach port ${gateway.port}`);
    if (options.openAccess) parts.log.warn('open access: anybody on this machine may use the API without a key');
    return gateway;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}
