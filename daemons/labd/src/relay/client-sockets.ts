/**
 * Sockets of clients (`/ws/client`, and `/ws/exec`, `/ws/logs` for one kind): a Link each, on which every OPEN and RESUME
 * is judged for itself. Identity was settled at the upgrade; each frame looks the deny list up again (LD-4).
 */
import type { First } from '@labmesh/link/first-frame';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers, type SocketCloseName } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import type { Hello } from '@labmesh/wire/frame/messages';
import type { OpenKind } from '@labmesh/wire/frame/open';
import type { DenyList } from '../ca/deny-list.ts';
import type { Caller } from '../login/caller.ts';
import type { RevokedLogins } from '../login/revoked-logins.ts';
import type { World } from '../settings/world.ts';
import type { SessionService } from './session-service.ts';

export type ClientSocketsParts = {
  sessions: SessionService;
  denyList: DenyList;
  /** Logins that were ended lately. */
  revoked: Pick<RevokedLogins, 'has'>;
  replicaId: string;
  options: {
    channelsMax: number;
    windowBytes: number;
    windowBytesMax: number;
    socketBufferMax: number;
    /** Of agents. Clients are asked as often: they may be behind the same proxy, which ends silent connections. */
    heartbeatMs: number;
  };
  clock: World['clock'];
  log: World['log'];
};

type Client = { caller: Caller; kinds: readonly OpenKind[] | undefined; denyVersion: number; isSentAway?: boolean };

const pingMsMax = 10_000;
/** Sockets of one identity, and of all. */
const perCallerMax = 256;
const allMax = 10_000;

export class ClientSockets implements LinkHandlers, AsyncDisposable {
  readonly #parts: ClientSocketsParts;
  readonly #clients = new Map<Link, Client>();
  readonly #pingMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #stop: () => void;
  #denyVersion = 0;
  #closing = false;

  constructor(parts: ClientSocketsParts) {
    this.#parts = parts;
    this.#pingMs = Math.min(pingMsMax, parts.options.heartbeatMs);
    this.#timer = setInterval(() => this.beat(), this.#pingMs);
    this.#stop = parts.denyList.onChange(() => {
      this.#denyVersion++;
      for (const link of this.#clients.keys()) if (this.beforeFrame(link) === 'revoked') link.close('revoked');
    });
  }

  get size(): number {
    return this.#clients.size;
  }

  /** A socket whose caller is known. `kinds`: what it may open; undefined: everything. */
  accept(socket: FrameSocket, caller: Caller, kinds?: readonly OpenKind[]): void {
    const { channelsMax, socketBufferMax } = this.#parts.options;
    const { kind, id } = caller.principal;
    const own = [...this.#clients.values()].filter(
      (one) => one.caller.principal.kind === kind && one.caller.principal.id === id,
    );
    if (this.#closing || this.#clients.size >= allMax || own.length >= perCallerMax)
      return socket.close(4429, 'too many sockets');
    // Its row was read before it was ended, and `endLogin` has been here already (RB-11).
    if (caller.session !== undefined && this.#parts.revoked.has(caller.session)) return socket.close(4403, 'revoked');
    const link = new Link(socket, this, { side: 'even', channelsMax, socketBufferMax });
    // What was denied between the look at the upgrade and now is found with the first frame.
    this.#clients.set(link, { caller, kinds, denyVersion: -1 });
  }

  /** Each 10 s, or as often as agents say that they live: asks all whether they live, and sends away those whose proof has run out. */
  beat(): void {
    for (const [link, client] of this.#clients) {
      if (link.isUp) link.ping();
      this.#sendAway(link, client);
    }
  }

  /** Whose proof has run out opens nothing more here; who has renewed it comes back with the new one, sessions and all. */
  #sendAway(link: Link, client: Client): void {
    const { expiresAt = Infinity } = client.caller;
    if (client.isSentAway === true || expiresAt > this.#parts.clock.wall()) return;
    client.isSentAway = true;
    link.goaway({ kind: 'server-shutdown', retryAfterMinMs: 0, retryAfterMaxMs: 1_000, urls: [] });
  }

  hello(link: Link, hello: Hello): void {
    if (hello.kind !== 'client' || !hello.protocols.includes(1)) return link.close('version');
    const { replicaId, options, clock } = this.#parts;
    const limits = { channels: options.channelsMax, window: options.windowBytes, windowMax: options.windowBytesMax };
    link.accept({
      protocol: 1,
      replicaId,
      heartbeatMs: this.#pingMs,
      timeMs: clock.wall(),
      bundle: '',
      limits,
      urls: [],
    });
  }

  beforeFrame(link: Link): SocketCloseName | undefined {
    const client = this.#clients.get(link);
    if (client === undefined || client.denyVersion === this.#denyVersion) return undefined;
    client.denyVersion = this.#denyVersion;
    const { serial, keyHash, uri } = client.caller;
    const subject = {
      ...(serial !== undefined && { serial }),
      ...(keyHash !== undefined && { keyHash }),
      ...(uri !== undefined && { identity: uri }),
    };
    return this.#parts.denyList.check(subject) === undefined ? undefined : 'revoked';
  }

  first(link: Link, raw: RawChannel, first: First): void {
    const client = this.#clients.get(link);
    if (client === undefined) return raw.close('denied');
    const { caller, kinds } = client;
    if (first.type === 'open' && kinds !== undefined && !kinds.includes(first.open.kind))
      return raw.close('denied', `only ${kinds.join(', ')} opens here`);
    this.#parts.sessions.first(caller, raw, first);
  }

  /** Ends the sockets of a login that was revoked. */
  endLogin(login: string): void {
    for (const [link, { caller }] of this.#clients) if (caller.session === login) link.close('revoked');
  }

  /** Tells clients to go on elsewhere (SD-1). */
  goaway(): void {
    this.#closing = true;
    for (const link of this.#clients.keys())
      link.goaway({ kind: 'server-shutdown', retryAfterMinMs: 0, retryAfterMaxMs: 1_000, urls: [] });
  }

  closed(link: Link): void {
    this.#clients.delete(link);
  }
  fault(link: Link, error: unknown): void {
    this.#parts.log.error('a handler of a client socket failed', {
      principal: this.#clients.get(link)?.caller.principal,
      error,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stop();
    for (const link of this.#clients.keys()) link.close('goingAway', 'labd is shutting down');
  }
}
