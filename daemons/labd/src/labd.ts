/**
 * labd: the control plane of the operator's machines. It opens its doors at once and serves health; the rest of the house
 * stands as soon as the database is there, and is gone through in the order of core.ts (LD-7).
 */
import { Metrics } from '@labmesh/kit/metrics';
import { awaitStore } from '@labmesh/store/open-store';
import { LoopDelay } from './api/loop-delay.ts';
import { allowedHosts } from './api/request-guard.ts';
import { checkSettings } from './compose/check-settings.ts';
import { type Core, openCore } from './core.ts';
import { Doors, type House } from './doors.ts';
import { addressText, type Ground, layGround, type Urls } from './settings/ground.ts';
import { openHouse } from './house.ts';
import { startingHouse } from './starting-house.ts';
import type { LabdOptions } from './settings/labd-options.ts';
import { startUpkeep } from './upkeep.ts';
import { keepOwn, type TlsIdentity } from './own-certificate.ts';
import { startIdentity } from './start-identity.ts';
import type { World } from './settings/world.ts';

export type LabdParts = {
  clock: World['clock'];
  log: World['log'];
  version: string;
  /** A store that somebody else opened and will close; else labd opens its own and waits for it. */
  store?: World['store'];
};

export class Labd implements AsyncDisposable {
  readonly ground: Ground;
  readonly #options: LabdOptions;
  readonly #parts: LabdParts;
  readonly #stack = new AsyncDisposableStack();
  readonly #ending = new AbortController();
  readonly #ready = Promise.withResolvers<Core>();
  readonly metrics = new Metrics('labmesh_labd_');
  readonly loopDelay = this.#stack.use(new LoopDelay());
  #identity: TlsIdentity;
  #doors: Doors | undefined;
  #core: Core | undefined;
  #house: House;
  #stopping = false;

  private constructor(options: LabdOptions, parts: LabdParts, ground: Ground, identity: TlsIdentity) {
    this.#options = options;
    this.#parts = parts;
    this.ground = ground;
    this.#identity = identity;
    this.#ready.promise.catch(() => undefined);
    this.#house = startingHouse;
  }

  /**
   * Opens the doors and begins. `ready` tells when everything stands.
   * @throws OptionsError for settings, the bind's error.
   */
  static async start(options: LabdOptions, parts: LabdParts): Promise<Labd> {
    const certificates = checkSettings(options, parts.clock);
    const ground = layGround(options);
    const identity = await startIdentity(ground.dataDir, options.trustDomain, parts.clock);
    const labd = new Labd(options, parts, ground, identity);
    labd.#doors = labd.#stack.use(await labd.#openDoors(certificates));
    void labd.#open();
    return labd;
  }

  #openDoors({ browser, node: nodeCertificate }: ReturnType<typeof checkSettings>): Promise<Doors> {
    const { adminSocket, acceptsPerS } = this.#options;
    const { api, agent, node } = this.ground;
    const identity = this.#identity;
    return Doors.open(
      { api, agent, node, adminSocket, identity, browser, nodeCertificate, acceptsPerS },
      () => this.#house,
    );
  }

  /** Resolves when the API serves. Rejects when it never will: a wrong key, a newer schema. */
  get ready(): Promise<Core> {
    return this.#ready.promise;
  }
  get core(): Core | undefined {
    return this.#core;
  }
  get isStopping(): boolean {
    return this.#stopping;
  }
  /** How it is reached: the configured addresses, else those of the listeners. */
  get urls(): Urls {
    const { publicUrl, agentUrl, peerUrl, conplaneUrl } = this.#options;
    const { api, agent, node } = this.ground;
    const own = (host: string, port: number) => `https://${addressText({ host, port })}`;
    return {
      api: publicUrl ?? own(api.host, this.#doors?.apiPort ?? api.port),
      agent: agentUrl ?? own(agent.host, this.#doors?.agentPort ?? agent.port),
      peer: peerUrl,
      node: node && (conplaneUrl ?? own(node.host, this.#doors?.nodePort ?? node.port)),
    };
  }
  get counts() {
    return this.#doors?.counts;
  }

  async #open(): Promise<void> {
    const { clock, log, version } = this.#parts;
    try {
      const url = this.ground.databaseUrl;
      const store = this.#parts.store ?? this.#stack.use(await awaitStore({ url, log, clock }, this.#ending.signal));
      const { ground, urls, metrics } = this;
      const core = this.#stack.use(
        await openCore({
          options: this.#options,
          ground,
          urls,
          store,
          version,
          metrics,
          clock,
          log,
          identity: () => this.#identity,
        }),
      );
      const hosts = [ground.api, ground.agent, ground.node].flatMap((address) => address?.host ?? []);
      const { dataDir, replicaId } = ground;
      // From here on the time is the one that all replicas share.
      const { authority, clock: shared } = core;
      const onRenewed = (identity: TlsIdentity) => {
        this.#identity = identity;
        this.#doors?.setIdentity(identity);
      };
      const own = { store, authority, clock: shared, log, options: this.#options, dataDir, replicaId, hosts };
      await keepOwn(own, onRenewed, this.#stack);
      const guard = { hosts: allowedHosts([urls.api, urls.agent, urls.peer]), origins: this.#options.allowedOrigins };
      this.#house = openHouse({
        core,
        options: this.#options,
        guard,
        version,
        loopDelay: this.loopDelay,
        log,
        clock: shared,
        isStopping: () => this.#stopping,
      });
      startUpkeep({ core, options: this.#options, ground, metrics, clock: shared, log }, this.#stack);
      this.#core = core;
      this.#ready.resolve(core);
      log.info('labd is ready', { api: urls.api, agents: urls.agent, nodes: urls.node, database: store.engine });
    } catch (error) {
      this.#ready.reject(error);
    }
  }

  /** Takes nothing new, tells agents and clients to go elsewhere, lets requests end (SD-1). */
  async drain(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#core?.hub.goaway();
    this.#core?.clients.goaway();
    await this.#doors?.close(this.#options.shutdownGraceMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#ending.abort(new Error('labd is stopping'));
    await this.#ready.promise.catch(() => undefined);
    await this.#stack.disposeAsync();
  }
}
