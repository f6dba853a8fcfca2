/**
 * The agents of this replica (HB-1 … HB-12). One Link an agent; one pass each second over all of them, instead of a timer
 * each, finds who has gone silent. The store holds only what other replicas need: the directory row and the time last
 * seen, written in batches.
 *
 *     HELLO → known? allowed? → newest epoch → HELLO_OK → heartbeats … → closed → directory row gone
 */
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers, type SocketCloseName } from '@labmesh/link/link';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import type { Hello, HelloOk, Msg } from '@labmesh/wire/frame/messages';
import { Batch, Newest } from '../limits/batch.ts';
import type { KnownAgent } from './directory.ts';
import type { ConnectedAgent, HubParts } from './hub-parts.ts';
import { NewsDesk } from './news-desk.ts';
import { flushMs, offlineBeats } from './server-status.ts';
import { SwapWatch } from './swap-watch.ts';

type Arriving = { identity: PeerIdentity; address: string; denyVersion: number };

type Gone = { agentId: string; epoch: number };

/** Only a bastion tells of installs, only labd tells an agent what to do, only replicas talk of denials (HB-12). */
const byOthers: ReadonlySet<Msg['kind']> = new Set([
  'bastion-progress',
  'desired',
  'end-sessions',
  'log-ack',
  'denials-changed',
]);
const tickMs = 1_000;
/** Agents that are let go in one transaction. */
const releasesMax = 512;
/** Protocol versions we speak, the newest first: N and N-1 (HB-3). */
export const linkProtocols = [1];

export class AgentHub implements LinkHandlers, AsyncDisposable {
  readonly #parts: HubParts;
  readonly #arriving = new WeakMap<Link, Arriving>();
  readonly #byLink = new Map<Link, ConnectedAgent>();
  readonly #byAgent = new Map<string, ConnectedAgent>();
  readonly #byServer = new Map<string, ConnectedAgent>();
  readonly #swaps: SwapWatch;
  readonly #news: NewsDesk;
  readonly #listeners = new Set<(agent: ConnectedAgent, isUp: boolean) => void>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #stopWatching: () => void;
  #denyVersion = 0;
  readonly #releases: Batch<Gone, void>;
  /** What agents tell of themselves: an agent that tells faster than the store takes it fills no memory. */
  readonly #reports = new Newest();
  /** Those that could not be let go yet. */
  #gone: Gone[] = [];
  #flushing: Promise<void> | undefined;
  #closing = false;
  accepted = 0;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#swaps = new SwapWatch(parts.clock);
    this.#news = new NewsDesk(parts, () => this.#byLink.size);
    this.#releases = new Batch<Gone, void>(releasesMax, async (gone) => {
      await parts.directory.release(gone);
      return [];
    });
    this.#timers.push(
      setInterval(() => this.#tick(), tickMs),
      setInterval(() => void this.flush(), flushMs),
    );
    this.#stopWatching = parts.denyList.onChange(() => this.#onDenied());
  }

  get connected(): number {
    return this.#byLink.size;
  }
  find(agentId: string): ConnectedAgent | undefined {
    return this.#byAgent.get(agentId);
  }
  findServer(serverId: string): ConnectedAgent | undefined {
    return this.#byServer.get(serverId);
  }
  /** Silence of a server's agent here, ms; undefined when it is not connected to this replica. */
  silentMs(serverId: string): number | undefined {
    const agent = this.#byServer.get(serverId);
    return agent === undefined ? undefined : performance.now() - agent.link.lastFrameAt;
  }
  agents(): IterableIterator<ConnectedAgent> {
    return this.#byLink.values();
  }
  /** Told after an agent came (true) or went (false). */
  onAgent(listener: (agent: ConnectedAgent, isUp: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get returns(): NewsDesk['returns'] {
    return this.#news.returns;
  }

  /** max(10 s, agents / 500 s) (HB-8). */
  get heartbeatMs(): number {
    return Math.max(this.#parts.options.heartbeatMs, this.#byLink.size * 2);
  }

  /** A socket whose certificate was verified and is not denied. */
  accept(socket: FrameSocket, identity: PeerIdentity, address: string): void {
    const { channelsMax, socketBufferMax, agentsMax } = this.#parts.options;
    if (this.#closing || this.#byLink.size >= agentsMax) return socket.close(4429, 'too many agents');
    const link = new Link(socket, this, { side: 'even', channelsMax, socketBufferMax });
    // What was denied between the look at the upgrade and now is found with HELLO.
    this.#arriving.set(link, { identity, address, denyVersion: -1 });
    this.accepted++;
  }

  hello(link: Link, hello: Hello): void {
    void this.#greet(link, hello).catch((error: unknown) => {
      this.#parts.log.warn('an agent could not be greeted', { error });
      link.close('goingAway', 'try again');
    });
  }

  async #greet(link: Link, hello: Hello): Promise<void> {
    const arriving = this.#arriving.get(link);
    if (arriving === undefined || hello.kind !== arriving.identity.kind) return link.close('unauthenticated');
    const protocol = linkProtocols.find((version) => hello.protocols.includes(version));
    if (protocol === undefined) return link.close('version', `this labd speaks ${linkProtocols.join(', ')}`);
    const known = await this.#parts.directory.known(arriving.identity.id);
    if (known === undefined) return link.close('revoked', 'this identity is not known; enrol again');
    if (known.status !== 'active' || hello.serverId !== known.serverId) return link.close('revoked', known.status);
    if (!this.#mayReplace(known, hello)) return link.close('superseded', 'two machines use this identity');
    const { agentId } = known;
    const { instanceId, version, bundle } = hello;
    const news = { ...(version !== known.version && { version }), ...(bundle !== known.bundle && { bundle }) };
    const now = this.#parts.clock.wall();
    const epoch = await this.#parts.directory.claim({ agentId, instanceId, ...news, now });
    if (!this.#arriving.has(link)) return this.#release(agentId, epoch);
    if (this.#isDenied(arriving.identity)) {
      this.#release(agentId, epoch);
      return link.close('revoked');
    }
    this.#join(link, arriving, known, hello, epoch, protocol);
  }

  /** Too many changes of hands within a minute: two machines have one identity; the oldest instance stays (HB-10). */
  #mayReplace(known: KnownAgent, hello: Hello): boolean {
    const isElsewhere = known.holder !== null && this.#parts.isLive(known.holder);
    const there = isElsewhere ? known.instanceId : null;
    const current = this.#byAgent.get(known.agentId)?.instanceId ?? there;
    if (current === null || current === hello.instanceId) return true;
    const oldest = this.#swaps.conflict(known.agentId, current);
    if (oldest === undefined) return true;
    this.#parts.events.emit('server-conflict', 'server', known.serverId, { hostname: known.hostname });
    void this.#parts.directory.markConflict(known.serverId).catch(() => undefined);
    return hello.instanceId === oldest;
  }

  #join(link: Link, arriving: Arriving, known: KnownAgent, hello: Hello, epoch: number, protocol: number): void {
    const older = this.#byAgent.get(known.agentId);
    // Two HELLOs may have raced through the store: the higher epoch is the newer one.
    if (older !== undefined && older.epoch > epoch) return link.close('superseded');
    if (older !== undefined) {
      this.#leave(older.link);
      older.link.close('superseded');
    }
    const { agentId, serverId, hostname } = known;
    const { identity, address } = arriving;
    const { instanceId, version, arch, bundle, sessions } = hello;
    const connectedAt = this.#parts.clock.wall();
    const agent = {
      link,
      identity,
      address,
      agentId,
      serverId,
      hostname,
      instanceId,
      version,
      arch,
      epoch,
      connectedAt,
      sessions,
      bundle,
      heard: true,
    };
    this.#byLink.set(link, agent);
    this.#byAgent.set(agentId, agent);
    this.#byServer.set(serverId, agent);
    link.accept(this.welcome(protocol));
    this.#parts.events.emit('agent-connected', 'server', serverId, { hostname, version });
    for (const listener of this.#listeners) listener(agent, true);
  }

  /** What whoever was let in is told. */
  welcome(protocol = 1): HelloOk {
    const { replicaId, options } = this.#parts;
    const { channelsMax, windowBytes, windowBytesMax } = options;
    return {
      protocol,
      replicaId,
      heartbeatMs: this.heartbeatMs,
      timeMs: this.#parts.clock.wall(),
      exec: this.#parts.exec,
      limits: { channels: channelsMax, window: windowBytes, windowMax: windowBytesMax },
      ...this.#news.welcome(),
      shipsLogs: this.#parts.logs.isOn,
    };
  }

  /** CA-8: every frame; the look-up is repeated only when the list has changed. */
  beforeFrame(link: Link): SocketCloseName | undefined {
    const arriving = this.#arriving.get(link);
    if (arriving === undefined || arriving.denyVersion === this.#denyVersion) return undefined;
    arriving.denyVersion = this.#denyVersion;
    return this.#isDenied(arriving.identity) ? 'revoked' : undefined;
  }

  #isDenied({ serial, uri, keyHash }: PeerIdentity): boolean {
    return this.#parts.denyList.check({ serial, identity: uri, keyHash }) !== undefined;
  }

  #onDenied(): void {
    this.#denyVersion++;
    for (const { link, identity } of this.#byLink.values()) if (this.#isDenied(identity)) link.close('revoked');
  }

  msg(link: Link, msg: Msg): void {
    const agent = this.#byLink.get(link);
    if (agent === undefined) return;
    agent.heard = true;
    const { directory, log, logs } = this.#parts;
    if (msg.kind === 'log-batch') return logs.take(agent, msg);
    if (msg.kind === 'heartbeat') {
      logs.heard(agent.agentId, msg.shipping);
      const desired = this.#news.bundleFor(msg);
      if (desired !== undefined) link.sendMsg({ kind: 'desired', desired });
    }
    const failed = (error: unknown) => log.warn('a report of an agent was not kept', { server: agent.hostname, error });
    if (msg.kind === 'heartbeat' && msg.bundle !== agent.bundle) {
      agent.bundle = msg.bundle;
      this.#reports.run(`${agent.agentId} bundle`, () => directory.saveBundle(agent.agentId, msg.bundle).catch(failed));
    } else if (msg.kind === 'facts') {
      this.#reports.run(`${agent.agentId} facts`, () =>
        directory.saveFacts(agent.serverId, msg.facts, agent.address).catch(failed),
      );
    } else if (msg.kind === 'update-report') {
      this.#reports.run(`${agent.agentId} update`, () =>
        directory.saveUpdateReport(agent.agentId, msg).then((versions) => this.#tellBad(agent, versions), failed),
      );
    } else if (msg.kind === 'error') {
      log.warn('an agent reports an error', { server: agent.hostname, code: msg.code, text: msg.message });
    } else if (byOthers.has(msg.kind)) {
      link.close('protocol', `an agent does not send ${msg.kind}`);
    }
  }

  #tellBad({ serverId, hostname }: ConnectedAgent, versions: readonly string[]): void {
    for (const version of versions)
      this.#parts.events.emit('agent-update-bad', 'server', serverId, { hostname, version });
  }

  closed(link: Link, code: number): void {
    const agent = this.#byLink.get(link);
    this.#arriving.delete(link);
    this.#leave(link);
    if (agent === undefined || this.#closing) return;
    this.#parts.events.emit('agent-lost', 'server', agent.serverId, { hostname: agent.hostname, code });
  }

  fault(link: Link, error: unknown): void {
    this.#parts.log.error('a handler of an agent link failed', { server: this.#byLink.get(link)?.hostname, error });
  }

  #leave(link: Link): void {
    const agent = this.#byLink.get(link);
    if (agent === undefined) return;
    this.#byLink.delete(link);
    if (this.#byAgent.get(agent.agentId) === agent) this.#byAgent.delete(agent.agentId);
    if (this.#byServer.get(agent.serverId) === agent) this.#byServer.delete(agent.serverId);
    this.#parts.logs.left(agent.agentId);
    for (const listener of this.#listeners) listener(agent, false);
    this.#release(agent.agentId, agent.epoch);
  }

  /** At once: until the row is gone, other replicas believe that it is here. */
  #release(agentId: string, epoch: number): void {
    const gone = { agentId, epoch };
    // The store is away: with the next flush, then.
    this.#releases.add(gone).catch(() => void this.#gone.push(gone));
  }

  /** Finds the silent ones (P4): a killed machine sends no goodbye. */
  #tick(): void {
    const latest = performance.now() - offlineBeats * this.heartbeatMs;
    for (const { link } of this.#byLink.values()) if (link.lastFrameAt < latest) link.close('goingAway', 'silent');
    this.tellNews();
  }

  /** Tells all who stay connected what has changed for them, at once. */
  tellNews(): void {
    const desired = this.#news.fresh();
    if (desired === undefined) return;
    for (const { link } of this.#byLink.values()) link.sendMsg({ kind: 'desired', desired });
  }

  /** Writes what other replicas need to know; one write at a time. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const { directory, clock, log } = this.#parts;
    const gone = this.#gone;
    this.#gone = [];
    const heard = [...this.#byLink.values()].filter((agent) => agent.heard);
    for (const agent of heard) agent.heard = false;
    try {
      await directory.release(gone);
      this.returns.fleet = await directory.activeCount();
      await directory.seen(
        heard.map((agent) => agent.serverId),
        clock.wall(),
      );
      // Where nobody else is, nobody has taken one.
      const isAlone = this.#news.urls().length === 0;
      const taken = isAlone ? [] : await directory.takenElsewhere([...this.#byAgent.keys()]);
      for (const agentId of taken) this.#byAgent.get(agentId)?.link.close('superseded');
    } catch (error) {
      this.#gone = [...gone, ...this.#gone].slice(-this.#parts.options.agentsMax);
      for (const agent of heard) agent.heard = true;
      log.warn('the directory could not be written; tried again', { error });
    }
  }

  /** Tells every agent to go elsewhere, spread over a time that the others can bear (SD-1, HB-11). */
  goaway(): void {
    this.#closing = true;
    const { spreadMs } = this.returns;
    const urls = this.#news.urls();
    for (const { link } of this.#byLink.values()) {
      link.goaway({ kind: 'server-shutdown', retryAfterMinMs: 0, retryAfterMaxMs: spreadMs, urls });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopWatching();
    for (const { link } of this.#byLink.values()) link.close('goingAway', 'labd is shutting down');
    await this.#releases.settled();
    await this.#flushing;
    await this.#flush();
  }
}
