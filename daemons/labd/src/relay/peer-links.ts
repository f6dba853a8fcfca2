/**
 * Links between replicas (RP-1): one a pair and direction, made when a client here needs an agent there. The replica
 * that dials opens channels; each holds an OPEN or RESUME that it has decided, and who asked. The one that accepts only
 * joins it to its agent: credits go end to end.
 */
import type { Logger } from '@labmesh/kit/log';
import { ChannelRelay } from '@labmesh/link/channel-relay';
import { dialLink } from '@labmesh/link/dial';
import type { First, NodeFirst, PeerFirst } from '@labmesh/link/first-frame';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers, LinkRefused, type SocketCloseName } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { verifyServer } from '@labmesh/pki/server-identity';
import type { Hello, Msg } from '@labmesh/wire/frame/messages';
import { subprotocols } from '@labmesh/wire/frame/frame-types';
import { uuidv7 } from '@labmesh/wire/ids';
import type { DenyList } from '../ca/deny-list.ts';
import type { AgentHub } from '../hub/agent-hub.ts';

const dialMs = 5_000;
const pingMs = 5_000;
/** Channels of one pair: many clients share it. */
const channelsMax = 4_096;
const limits = { channels: channelsMax, window: 256 * 1024, windowMax: 4 * 1024 * 1024 };

type PeerIdentity = ReturnType<typeof verifyServer>;
/** Who is at the other end, and the version of the deny list that it was last looked up in. */
type Peer = { identity: PeerIdentity; denyVersion: number };

export type PeerLinksParts = {
  hub: AgentHub;
  denyList: Pick<DenyList, 'check' | 'onChange' | 'version'>;
  /** Our certificate as it is now, with its chain, and the roots to trust, PEM. */
  identity: () => { keyPem: string; certPem: string; bundlePem: string };
  trustDomain: string;
  /** Unix ms by the clock of all replicas (RP-1). */
  now: () => number;
  replicaId: string;
  version: string;
  /** A peer asks that sessions of our agents end. */
  onEndSessions: (sessions: readonly string[]) => void;
  /** A peer asks for a node of this replica's hub (tunnel H6). `who` is the replica, as its certificate names it. */
  onNode: (raw: RawChannel, first: NodeFirst, who: NodeFirst['principal']) => void;
  /** A peer says that it has denied or lifted something. */
  onDenials: () => void;
  /** The other live replicas. */
  others: () => readonly { id: string; peerUrl: string | null }[];
  log: Logger;
};

export class PeerLinks implements LinkHandlers, AsyncDisposable {
  readonly #parts: PeerLinksParts;
  readonly #dialled = new Map<string, Link>();
  readonly #dialling = new Map<string, Promise<Link | undefined>>();
  readonly #accepted = new Set<Link>();
  /** Of both directions. */
  readonly #peers = new Map<Link, Peer>();
  /** Those whose last dial failed. */
  readonly #away = new Set<string>();
  readonly #instanceId = uuidv7();
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #stopWatching: () => void;

  constructor(parts: PeerLinksParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => {
      for (const link of [...this.#dialled.values(), ...this.#accepted]) link.ping();
    }, pingMs);
    this.#stopWatching = parts.denyList.onChange(() => {
      for (const link of this.#peers.keys()) if (this.beforeFrame(link) !== undefined) link.close('revoked');
    });
  }

  /** The link to a replica, when it is up now. */
  find(replicaId: string): Link | undefined {
    const link = this.#dialled.get(replicaId);
    return link?.isUp === true ? link : undefined;
  }

  /** The link to a replica, dialled when there is none; undefined when it does not answer. */
  reach(replicaId: string, url: string): Promise<Link | undefined> {
    const up = this.find(replicaId);
    if (up !== undefined) return Promise.resolve(up);
    const running =
      this.#dialling.get(replicaId) ?? this.#dial(replicaId, url).finally(() => this.#dialling.delete(replicaId));
    this.#dialling.set(replicaId, running);
    return running;
  }

  /** CA-8: a denied replica is neither dialled nor heard: what it opens here nobody judges again. */
  beforeFrame(link: Link): SocketCloseName | undefined {
    const { denyList } = this.#parts;
    const peer = this.#peers.get(link);
    if (peer === undefined || peer.denyVersion === denyList.version) return undefined;
    peer.denyVersion = denyList.version;
    return this.#isDenied(peer.identity) ? 'revoked' : undefined;
  }

  #isDenied({ serial, uri, keyHash }: PeerIdentity): boolean {
    return this.#parts.denyList.check({ serial, identity: uri, keyHash }) !== undefined;
  }

  /** A socket to labd, and as whom it was verified there. @throws as dialLink, and when the other side is denied. */
  async #connect(url: string): Promise<{ socket: FrameSocket; server: PeerIdentity }> {
    const { identity, trustDomain, now } = this.#parts;
    const { keyPem, certPem, bundlePem } = identity();
    let server: PeerIdentity | undefined;
    const socket = await dialLink({
      url: `${url.replace(/^http/, 'ws').replace(/\/$/, '')}/ws/peer`,
      subprotocol: subprotocols.peer,
      identity: { keyPem, chainPem: certPem },
      bundlePem,
      checkServerIdentity: (_host, seen) => {
        server = verifyServer(seen, { bundlePem, trustDomain, now });
        return this.#isDenied(server) ? new Error('its certificate is revoked') : undefined;
      },
      postQuantum: true,
      signal: this.#ending.signal,
      timeoutMs: dialMs,
    });
    if (server !== undefined) return { socket, server };
    socket.close(4403, 'not verified');
    throw new Error('the other replica was not verified');
  }

  async #dial(replicaId: string, url: string): Promise<Link | undefined> {
    const { version, log } = this.#parts;
    try {
      const { socket, server } = await this.#connect(url);
      const link = new Link(
        socket,
        {
          beforeFrame: (_link) => this.beforeFrame(_link),
          closed: () => this.#lost(replicaId, link),
          msg: (_link, msg) => this.msg(_link, msg),
          fault: (_link, error) => this.fault(_link, error),
        },
        { side: 'odd', channelsMax },
      );
      this.#peers.set(link, { identity: server, denyVersion: -1 });
      const hello: Hello = {
        protocols: [1],
        kind: 'labd',
        serverId: this.#parts.replicaId,
        instanceId: this.#instanceId,
        bootId: '',
        version,
        os: '',
        arch: '',
        capabilities: [],
        factsDigest: '',
        bundle: '',
        sessions: [],
      };
      const ok = await link.hello(hello);
      if (ok.replicaId !== replicaId) {
        link.close('protocol', 'another replica answers there');
        return undefined;
      }
      this.#dialled.set(replicaId, link);
      this.#away.delete(replicaId);
      return link;
    } catch (error) {
      // Sessions that wait for its agents ask again twice a second.
      if (!this.#away.has(replicaId)) log.warn('another replica cannot be reached', { replicaId, error });
      this.#away.add(replicaId);
      return undefined;
    }
  }

  #lost(replicaId: string, link: Link): void {
    this.#peers.delete(link);
    if (this.#dialled.get(replicaId) !== link) return;
    this.#dialled.delete(replicaId);
  }

  /** Asks every replica that is reachable to end sessions of its agents. */
  endSessions(sessions: readonly string[], reason: string): void {
    for (const link of [...this.#dialled.values(), ...this.#accepted]) {
      link.sendMsg({ kind: 'end-sessions', sessions: [...sessions], reason });
    }
  }

  /**
   * Tells all live replicas that the deny list has changed (CA-8), also those that nobody went to from here before. Who
   * cannot be reached finds it by its own poll.
   */
  tellDenials(): void {
    for (const { id, peerUrl } of this.#parts.others()) {
      if (peerUrl === null) continue;
      void this.reach(id, peerUrl).then((link) => link?.sendMsg({ kind: 'denials-changed' }));
    }
  }

  /** A replica that dialled us; its certificate says kind labd. */
  accept(socket: FrameSocket, identity: PeerIdentity): void {
    const link = new Link(socket, this, { side: 'even', channelsMax });
    this.#accepted.add(link);
    // What was denied between the look at the upgrade and now is found with the first frame.
    this.#peers.set(link, { identity, denyVersion: -1 });
  }

  hello(link: Link, hello: Hello): void {
    if (hello.kind !== 'labd' || !hello.protocols.includes(1)) return link.close('version');
    const { replicaId, now } = this.#parts;
    link.accept({ protocol: 1, replicaId, heartbeatMs: pingMs, timeMs: now(), bundle: '', limits, urls: [] });
  }

  msg(_link: Link, msg: Msg): void {
    if (msg.kind === 'end-sessions') this.#parts.onEndSessions(msg.sessions);
    if (msg.kind === 'denials-changed') this.#parts.onDenials();
  }

  /** A channel of a client there for an agent here, or for a node. */
  peerFirst(link: Link, raw: RawChannel, asked: PeerFirst): void {
    if (asked.type === 'node') return this.#node(link, raw, asked);
    const { agentId, first } = asked;
    const agent = this.#parts.hub.find(agentId);
    // Stale directory: the asker reads it again (RP-1).
    if (agent === undefined) return raw.close('agent-offline', 'not here');
    const session = first.type === 'open' ? (first.open.session ?? '') : first.resume.session;
    const reach = (wanted: First): RawChannel | undefined => {
      try {
        return agent.link.open(wanted);
      } catch (error) {
        if (error instanceof LinkRefused) return undefined;
        throw error;
      }
    };
    const relay = new ChannelRelay({ session, reach, passing: true, ended: () => {} });
    if (first.type === 'open') relay.start(raw, first.open);
    else relay.attachClient(raw, first.resume);
  }

  #node(link: Link, raw: RawChannel, first: NodeFirst): void {
    const peer = this.#peers.get(link);
    if (peer === undefined) return raw.close('denied');
    const { id } = peer.identity;
    this.#parts.onNode(raw, first, { kind: 'labd', id, name: id });
  }

  closed(link: Link): void {
    this.#accepted.delete(link);
    this.#peers.delete(link);
  }
  fault(_link: Link, error: unknown): void {
    this.#parts.log.error('a handler of a peer link failed', { error });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stopWatching();
    this.#ending.abort(new Error('stopping'));
    for (const link of [...this.#dialled.values(), ...this.#accepted]) link.close('goingAway', 'labd is shutting down');
    await Promise.allSettled(this.#dialling.values());
  }
}
