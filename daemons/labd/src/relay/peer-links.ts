/**
 * Links between replicas (RP-1): one a pair and direction, made when a client here needs an agent there. The replica
 * that dials opens channels; each holds an OPEN or RESUME that it has decided, and who asked. The one that accepts only
 * joins it to its agent: credits go end to end.
 */
import type { Logger } from '@labmesh/kit/log';
import { ChannelRelay } from '@labmesh/link/channel-relay';
import { dialLink } from '@labmesh/link/dial';
import type { PeerFirst } from '@labmesh/link/first-frame';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers, LinkRefused } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import type { Hello, Msg } from '@labmesh/wire/frame/messages';
import { subprotocols } from '@labmesh/wire/frame/frame-types';
import { uuidv7 } from '@labmesh/wire/ids';
import type { AgentHub } from '../hub/agent-hub.ts';

const dialMs = 5_000;
const pingMs = 5_000;
/** Channels of one pair: many clients share it. */
const channelsMax = 4_096;
const limits = { channels: channelsMax, window: 256 * 1024, windowMax: 4 * 1024 * 1024 };

export type PeerLinksParts = {
  hub: AgentHub;
  /** Our certificate as it is now, with its chain, and the roots to trust, PEM. */
  identity: () => { keyPem: string; certPem: string; bundlePem: string };
  trustDomain: string;
  /** Unix ms by the clock of all replicas (RP-1). */
  now: () => number;
  replicaId: string;
  version: string;
  /** A peer asks that sessions of our agents end. */
  onEndSessions: (sessions: readonly string[]) => void;
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
  /** Those whose last dial failed. */
  readonly #away = new Set<string>();
  readonly #instanceId = uuidv7();
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(parts: PeerLinksParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => {
      for (const link of [...this.#dialled.values(), ...this.#accepted]) link.ping();
    }, pingMs);
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

  async #dial(replicaId: string, url: string): Promise<Link | undefined> {
    const { identity, trustDomain, version, now, log } = this.#parts;
    const { keyPem, certPem, bundlePem } = identity();
    try {
      const socket = await dialLink({
        url: `${url.replace(/^http/, 'ws').replace(/\/$/, '')}/ws/peer`,
        subprotocol: subprotocols.peer,
        identity: { keyPem, chainPem: certPem },
        bundlePem,
        checkServerIdentity: serverIdentityCheck({ bundlePem, trustDomain, now }),
        signal: this.#ending.signal,
        timeoutMs: dialMs,
      });
      const link = new Link(
        socket,
        {
          closed: () => this.#lost(replicaId, link),
          msg: (_link, msg) => this.msg(_link, msg),
          fault: (_link, error) => this.fault(_link, error),
        },
        { side: 'odd', channelsMax },
      );
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
  accept(socket: FrameSocket): void {
    const link = new Link(socket, this, { side: 'even', channelsMax });
    this.#accepted.add(link);
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

  /** A channel of a client there for an agent here. */
  peerFirst(_link: Link, raw: RawChannel, { agentId, first }: PeerFirst): void {
    const agent = this.#parts.hub.find(agentId);
    // Stale directory: the asker reads it again (RP-1).
    if (agent === undefined) return raw.close('agent-offline', 'not here');
    const session = first.type === 'open' ? (first.open.session ?? '') : first.resume.session;
    const reach = (wanted: PeerFirst['first']): RawChannel | undefined => {
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

  closed(link: Link): void {
    this.#accepted.delete(link);
  }
  fault(_link: Link, error: unknown): void {
    this.#parts.log.error('a handler of a peer link failed', { error });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#ending.abort(new Error('stopping'));
    for (const link of [...this.#dialled.values(), ...this.#accepted]) link.close('goingAway', 'labd is shutting down');
    await Promise.allSettled(this.#dialling.values());
  }
}
