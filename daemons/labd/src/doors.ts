/**
 * The doors of labd (LD-1, LD-2): the API and the agent listener over mTLS, the admin socket, and one for nodes, who show
 * no certificate. Each connection's certificate is judged here once (LD-4); what may be done with it is decided per
 * request and per frame.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { headFaultOf, listenMtls, type MtlsListener } from '@labmesh/link/mtls-listener';
import { PeerRefused } from '@labmesh/pki/peer-refused';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import type { Fetch } from './api/app.ts';
import { type Connection, type ListenerName, type Peer, plainAddress } from './api/connection.ts';
import { headAnswer, unreadableAnswer } from './api/edge/raw-answer.ts';
import { type Address } from './settings/ground.ts';
import type { TlsIdentity } from './own-certificate.ts';

/** What is behind the doors now; another one before the database is there. */
export type House = {
  fetch: Fetch;
  /** Of the listener for nodes. */
  nodes: Fetch;
  upgrade: (request: IncomingMessage, socket: TLSSocket | Socket, head: Buffer, connection: Connection) => void;
  /** Judges a client certificate; undefined while there is no CA to judge by. @throws PeerRefused. */
  verify: ((leafDer: Uint8Array) => PeerIdentity) | undefined;
  /** Seconds after which an agent that came too fast may come again (HB-11). */
  retryAfterS: () => number;
};

export type DoorsOptions = {
  api: Address;
  agent: Address;
  node: Address | undefined;
  adminSocket: string;
  identity: TlsIdentity;
  browser?: { name: string; certificate: { key: string; cert: string } } | undefined;
  /** For nodes, in place of our own. */
  nodeCertificate: { key: string; cert: string } | undefined;
  acceptsPerS: number;
};

/** The runtime's objects are spec-true already; replacing the globals would change them for everybody in this process. */
const listenerOptions = { overrideGlobalObjects: false, hostname: 'labd', errorHandler: unreadableAnswer };
/** Longer than a call waits for its body (AP-4): who is slow hears so before the connection ends. */
const bodyMs = 35_000;

export class Doors implements AsyncDisposable {
  readonly #options: DoorsOptions;
  readonly #connections = new WeakMap<object, Connection>();
  readonly #house: () => House;
  readonly #listener = getRequestListener(
    (web, env) => this.#house().fetch(web, { connection: this.#connectionOf(env.incoming.socket) }),
    listenerOptions,
  );
  readonly #nodeListener = getRequestListener(
    (web, env) => this.#house().nodes(web, { connection: this.#connectionOf(env.incoming.socket) }),
    listenerOptions,
  );
  #api: MtlsListener | undefined;
  #agent: MtlsListener | undefined;
  #node: MtlsListener | undefined;
  #socket: Server | undefined;

  private constructor(options: DoorsOptions, house: () => House) {
    this.#options = options;
    this.#house = house;
  }

  /** Binds all of them. @throws the bind's error; nothing stays open then. */
  static async open(options: DoorsOptions, house: () => House): Promise<Doors> {
    await using opening = new AsyncDisposableStack();
    const doors = new Doors(options, house);
    doors.#api = opening.use(await doors.#listen('api', options.api));
    doors.#agent = opening.use(await doors.#listen('agent', options.agent));
    if (options.node !== undefined) doors.#node = opening.use(await doors.#listenForNodes(options.node));
    doors.#socket = await doors.#listenSocket();
    opening.move();
    return doors;
  }

  get apiPort(): number {
    return this.#api?.port ?? 0;
  }
  get agentPort(): number {
    return this.#agent?.port ?? 0;
  }
  /** Undefined: there is none. */
  get nodePort(): number | undefined {
    return this.#node?.port;
  }
  get counts() {
    return { api: this.#api?.counts, agent: this.#agent?.counts, node: this.#node?.counts };
  }

  /** New connections get this certificate. */
  setIdentity(identity: TlsIdentity): void {
    const own = [this.#api, this.#agent, this.#options.nodeCertificate === undefined ? this.#node : undefined];
    for (const listener of own) listener?.setCertificate({ key: identity.keyPem, cert: identity.certPem });
  }

  #listen(listener: 'api' | 'agent', { host, port }: Address): Promise<MtlsListener> {
    const { identity, browser, acceptsPerS } = this.#options;
    return listenMtls({
      host,
      port,
      key: identity.keyPem,
      cert: identity.certPem,
      ...(browser !== undefined && listener === 'api' && { sni: [browser] }),
      limits: { acceptsPerS, bodyMs },
      onConnection: (socket) => {
        this.#connections.set(socket, {
          listener,
          remoteAddress: plainAddress(socket.remoteAddress),
          peer: this.#judge(socket),
        });
        return true;
      },
      // Agents come in thousands, and wait for nobody at a screen.
      retryAfterS: () => (listener === 'agent' ? this.#house().retryAfterS() : 1),
      isPaced: (socket) => this.#connectionOf(socket).peer.state === 'known',
      headAnswer,
      onRequest: (request, response) => this.#onRequest(request, response),
      onUpgrade: (request, socket, head) => this.#house().upgrade(request, socket, head, this.#connectionOf(socket)),
    });
  }

  #listenForNodes({ host, port }: Address): Promise<MtlsListener> {
    const { identity, nodeCertificate, acceptsPerS } = this.#options;
    return listenMtls({
      host,
      port,
      ...(nodeCertificate ?? { key: identity.keyPem, cert: identity.certPem }),
      limits: { acceptsPerS, bodyMs },
      onConnection: (socket) => {
        const remoteAddress = plainAddress(socket.remoteAddress);
        this.#connections.set(socket, { listener: 'node', remoteAddress, peer: { state: 'none' } });
        return true;
      },
      headAnswer,
      onRequest: (request, response) => void this.#nodeListener(request, response),
      onUpgrade: (_request, socket) => void socket.destroy(),
    });
  }

  async #listenSocket(): Promise<Server> {
    const path = this.#options.adminSocket;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(path, { force: true });
    const answering = new WeakSet<object>();
    const server = createServer((request, response) => {
      this.#connections.set(request.socket, { listener: 'socket', remoteAddress: 'local', peer: { state: 'none' } });
      answering.add(request.socket);
      response.once('close', () => void answering.delete(request.socket));
      this.#onRequest(request, response);
    });
    // In the middle of an answer another one would only be taken for a part of it.
    server.on('clientError', (error, socket) =>
      answering.has(socket) ? void socket.destroy() : void socket.end(headAnswer(headFaultOf(error))),
    );
    server.on('upgrade', (request, socket, head) => {
      const connection: Connection = { listener: 'socket', remoteAddress: 'local', peer: { state: 'none' } };
      this.#house().upgrade(request, socket as Socket, head, connection);
    });
    // Born closed to others: between bind and chmod nobody may slip in. The bind happens inside this call; the mask is
    // the whole process's, and other work in it must not make folders that nobody can enter.
    const mask = process.umask(0o177);
    const listening = new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    process.umask(mask);
    await listening;
    chmodSync(path, 0o600);
    return server;
  }

  #connectionOf(socket: object): Connection {
    return (
      this.#connections.get(socket) ?? {
        listener: 'api' satisfies ListenerName,
        remoteAddress: '',
        peer: { state: 'none' },
      }
    );
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    void this.#listener(request, response);
  }

  /** LD-4: what TLS says of a chain is never relied upon. */
  #judge(socket: TLSSocket): Peer {
    // Null for a connection that is gone already.
    const shown = socket.getPeerCertificate(false) as { raw?: Uint8Array } | null | undefined;
    const leafDer = shown?.raw;
    if (leafDer === undefined) return { state: 'none' };
    const { verify } = this.#house();
    if (verify === undefined) return { state: 'refused', reason: 'untrusted' };
    try {
      const identity = verify(leafDer);
      return { state: identity.isExpired ? 'expired' : 'known', identity };
    } catch (error) {
      if (error instanceof PeerRefused) return { state: 'refused', reason: error.reason };
      throw error;
    }
  }

  /** Takes no more connections and lets requests end. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([this.#api?.close(graceMs), this.#agent?.close(graceMs), this.#node?.close(graceMs)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
    this.#socket?.closeAllConnections();
    await new Promise<void>((resolve) =>
      this.#socket === undefined ? resolve() : this.#socket.close(() => resolve()),
    );
    rmSync(this.#options.adminSocket, { force: true });
  }
}
