/**
 * The mTLS listeners of labd (LD-1, LD-3): TLS 1.3 that asks for a client certificate and never trusts the answer by
 * itself, HTTP on top, WebSocket upgrades. Who the peer is gets judged by what `onRequest` and `onUpgrade` call (LD-4).
 *
 * Nothing that a stranger can open stays open: handshakes have a time limit and a bound (the oldest one goes), heads
 * have a time limit and a size, the number of connections is bounded, and upgrades are paced.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { cleanRequestId } from '@labmesh/wire/ids';
import { AcceptPace } from './accept-pace.ts';
import { FailedHandshakes } from './door/failed-handshakes.ts';
import { Handshakes } from './door/handshakes.ts';

export type ListenerLimits = {
  handshakeMs: number;
  /** TLS handshakes at the same time (19 KB each, and two doors of 128 stay below 8 MiB). One more ends the oldest when that is slow, else itself. */
  handshakesMax: number;
  /** A handshake that takes longer is slow. */
  handshakeSlowMs: number;
  connectionsMax: number;
  /** For a request's head, and between two requests. */
  headMs: number;
  headBytesMax: number;
  /** For a request's body. */
  bodyMs: number;
  acceptsPerS: number;
  /** An upgrade waits this long for its turn at most, then gets 503. */
  acceptWaitMs: number;
};

const limitsDefault: ListenerLimits = {
  handshakeMs: 10_000,
  handshakesMax: 192,
  handshakeSlowMs: 1_000,
  connectionsMax: 20_000,
  headMs: 10_000,
  headBytesMax: 16 * 1024,
  bodyMs: 30_000,
  acceptsPerS: 100,
  acceptWaitMs: 2_000,
};

const turnedAwayMs = 1_000;

/** AP-2: an answer that none but the listener gives has an id, too. */
const idOf = ({ headers }: IncomingMessage): string => {
  const given = headers['x-request-id'];
  return cleanRequestId(typeof given === 'string' ? given : undefined);
};

export type ServerCertificate = { key: string; cert: string };

/** Why there is no request to answer: its head is larger than the bound, came too slowly, or is not HTTP/1.1. */
export type HeadFault = 'too-large' | 'late' | 'malformed';

/** What the parser of a server says in its `clientError`. */
export const headFaultOf = (error: Error & { code?: string }): HeadFault =>
  error.code === 'HPE_HEADER_OVERFLOW' ? 'too-large' : 'malformed';

export type MtlsListenerOptions = ServerCertificate & {
  host: string;
  /** 0: a free one. */
  port: number;
  onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  onUpgrade: (request: IncomingMessage, socket: TLSSocket, head: Buffer) => void;
  /** Once a handshake is through; false ends the connection. */
  onConnection?: (socket: TLSSocket) => boolean;
  /** Whether an upgrade of this connection waits for its turn; default all. Strangers, who are refused anyway, must not
   *  take the turns of those who may come in. */
  isPaced?: (socket: TLSSocket) => boolean;
  /** Another certificate by server name: the operator's for browsers. */
  sni?: { name: string; certificate: ServerCertificate }[];
  /** Seconds for Retry-After of an upgrade that is turned away: agents/100 s, spread by chance. */
  retryAfterS?: () => number;
  /** The whole answer, as it goes over the wire, before the connection ends. Default: none, it only ends. */
  headAnswer?: (fault: HeadFault) => string;
  limits?: Partial<ListenerLimits>;
};

export type ListenerCounts = {
  handshakes: number;
  connections: number;
  accepted: number;
  handshakesFailed: number;
  turnedAway: number;
};

/** A connection that still speaks HTTP: its deadline is that of the head, the body or the next request. */
class HttpPhase implements DeadlineEntry {
  deadline = 0;
  /** Requests that were not answered in full. */
  requests = 0;
  /** Those of them that change something: an end waits for their answers, not for who only listens (SD-1). */
  changes = 0;
  readonly socket: TLSSocket;
  readonly #late: (phase: HttpPhase) => void;
  /** Bytes that had come when the wait for a head began. */
  #readBefore = 0;

  constructor(socket: TLSSocket, headMs: number, late: (phase: HttpPhase) => void) {
    this.socket = socket;
    this.#late = late;
    this.awaitHead(headMs);
  }
  awaitHead(headMs: number): void {
    this.deadline = performance.now() + headMs;
    this.#readBefore = this.socket.bytesRead;
  }
  /** A part of a head is there. Of an idle connection nobody asked anything: an answer would be taken for the next one's. */
  get isInHead(): boolean {
    return this.requests === 0 && this.socket.bytesRead > this.#readBefore;
  }
  onDeadline(): void {
    this.#late(this);
  }
}

const mine = Symbol('MtlsListener');
type Held = TLSSocket & { [mine]?: MtlsListener };

// One function for all sockets: thousands of idle links would each keep a closure.
function onSocketClose(this: Held): void {
  this[mine]?.socketClosed(this);
}
function ignore(): void {
  // `close` follows.
}

export class MtlsListener implements AsyncDisposable {
  readonly counts: ListenerCounts = { handshakes: 0, connections: 0, accepted: 0, handshakesFailed: 0, turnedAway: 0 };
  #options: MtlsListenerOptions;
  #limits: ListenerLimits;
  #tls: TlsServer;
  #http: Server;
  #pace: AcceptPace;
  readonly #handshaking: Handshakes<TLSSocket>;
  #phases = new Map<TLSSocket, HttpPhase>();
  #connections = new Set<TLSSocket>();
  #deadlines = new Deadlines();
  readonly #failed = new FailedHandshakes();

  constructor(options: MtlsListenerOptions) {
    this.#options = options;
    const limits = { ...limitsDefault, ...options.limits };
    this.#limits = limits;
    this.#pace = new AcceptPace(limits.acceptsPerS, limits.acceptWaitMs);
    this.#handshaking = new Handshakes({ max: limits.handshakesMax, slowMs: limits.handshakeSlowMs });
    this.#http = createHttpServer({ maxHeaderSize: limits.headBytesMax }, (request, response) => {
      this.#onRequest(request, response);
    });
    this.#http.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as TLSSocket, head));
    this.#http.on('clientError', (error, socket) => this.#refuseHead(headFaultOf(error), socket as TLSSocket));
    // Nobody here asks for more before a body: whoever expects something else than 100-continue gets the call's answer.
    this.#http.on('checkExpectation', (request, response) => this.#onRequest(request, response));
    this.#tls = createTlsServer({
      key: options.key,
      cert: options.cert,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      handshakeTimeout: limits.handshakeMs,
    });
    for (const { name, certificate } of options.sni ?? []) this.#tls.addContext(name, certificate);
    this.#tls.on('connection', (socket: TLSSocket) => this.#onTcp(socket));
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#tls.on('tlsClientError', (_error, socket) => {
      this.counts.handshakesFailed++;
      this.#failed.add();
      socket.destroy();
    });
  }

  listen(): Promise<void> {
    const { port, host } = this.#options;
    return new Promise((resolve, reject) => {
      this.#tls.once('error', reject);
      this.#tls.listen(port, host, () => {
        this.#tls.off('error', reject);
        this.#tls.on('error', ignore);
        resolve();
      });
    });
  }

  /** The port that was bound. */
  get port(): number {
    return (this.#tls.address() as AddressInfo).port;
  }

  /** New handshakes get this certificate; connections keep theirs (LD-3). */
  setCertificate(certificate: ServerCertificate): void {
    this.#tls.setSecureContext({ ...certificate, minVersion: 'TLSv1.3' });
  }

  /** A connection before its handshake: the only thing here that costs a stranger nothing. */
  #onTcp(socket: TLSSocket): void {
    const isFull = this.#connections.size >= this.#limits.connectionsMax;
    const ended = isFull ? socket : this.#handshaking.add(socket, socket.remoteAddress, performance.now());
    if (ended !== undefined) {
      this.counts.turnedAway++;
      ended.on('error', ignore).destroy();
    }
    if (ended === socket) return;
    this.#connections.add(socket);
    (socket as Held)[mine] = this;
    socket.on('error', ignore).on('close', onSocketClose);
    this.#count();
  }

  socketClosed(socket: TLSSocket): void {
    this.#connections.delete(socket);
    this.#handshaking.delete(socket);
    this.#httpOver(socket);
    this.#count();
  }

  #count(): void {
    this.counts.handshakes = this.#handshaking.size;
    this.counts.connections = this.#connections.size;
  }

  /** The handshake is through: HTTP begins, with a deadline for the first head. */
  #onSecure(socket: TLSSocket): void {
    this.#handshaking.delete(socket);
    this.#count();
    if (this.#options.onConnection?.(socket) === false) {
      socket.destroy();
      return;
    }
    const phase = new HttpPhase(socket, this.#limits.headMs, this.#onLate);
    this.#phases.set(socket, phase);
    this.#deadlines.add(phase);
    this.#http.emit('connection', socket);
  }

  readonly #onLate = ({ socket, isInHead }: HttpPhase): void => {
    if (isInHead) this.#refuseHead('late', socket);
    else socket.destroy();
  };

  /** Tells what is wrong with a head, unless an answer is on its way: it would stand in the middle of that. */
  #refuseHead(fault: HeadFault, socket: TLSSocket): void {
    const phase = this.#phases.get(socket);
    // What still comes of a head that was refused: its answer is on the way.
    if (phase === undefined && socket.writableEnded) return;
    const answer = phase?.isInHead === true ? this.#options.headAnswer?.(fault) : undefined;
    this.#httpOver(socket);
    if (answer === undefined || !socket.writable) return void socket.destroy();
    socket.end(answer);
    setTimeout(() => socket.destroy(), turnedAwayMs).unref();
  }

  #httpOver(socket: TLSSocket): void {
    const phase = this.#phases.get(socket);
    if (phase === undefined) return;
    this.#phases.delete(socket);
    this.#deadlines.delete(phase);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const phase = this.#phases.get(request.socket as TLSSocket);
    // The rest of a head that was refused as late: its caller has the refusal, and may ask again.
    if (phase === undefined) return void request.socket.destroy();
    let isAnswered = false;
    const change = request.method === 'GET' || request.method === 'HEAD' ? 0 : 1;
    phase.requests++;
    phase.changes += change;
    phase.deadline = performance.now() + this.#limits.bodyMs;
    request.once('end', () => {
      if (!isAnswered) phase.deadline = 0;
    });
    response.once('close', () => {
      isAnswered = true;
      phase.requests--;
      phase.changes -= change;
      phase.awaitHead(this.#limits.headMs);
    });
    this.#options.onRequest(request, response);
  }

  /** An upgrade has its turn by the pace; from here on the link's own limits hold. */
  #onUpgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    this.#httpOver(socket);
    const waitMs = this.#options.isPaced?.(socket) === false ? 0 : this.#pace.take();
    if (waitMs === undefined) {
      this.counts.turnedAway++;
      const seconds = Math.max(1, Math.ceil(this.#options.retryAfterS?.() ?? 1));
      socket.end(
        `HTTP/1.1 503 Service Unavailable\r\nRetry-After: ${seconds}\r\nX-Request-Id: ${idOf(request)}\r\n` +
          'Connection: close\r\nContent-Length: 0\r\n\r\n',
      );
      // Whoever is turned away may not hold the connection by never closing its side.
      setTimeout(() => socket.destroy(), turnedAwayMs).unref();
      return;
    }
    const letIn = () => {
      if (socket.destroyed) return;
      this.counts.accepted++;
      this.#options.onUpgrade(request, socket, head);
    };
    if (waitMs === 0) letIn();
    else setTimeout(letIn, waitMs);
  }

  /** Takes no more connections, lets requests finish for `graceMs`, then ends what is left. Links are their owner's. */
  async close(graceMs = 0): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#tls.close(() => resolve()));
    const until = performance.now() + graceMs;
    const busy = () => [...this.#phases.values()].some((phase) => phase.changes > 0);
    while (busy() && performance.now() < until) await Bun.sleep(20);
    for (const socket of this.#connections) socket.destroy();
    this.#http.close();
    await Promise.race([closed, Bun.sleep(1_000)]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Binds and listens. @throws the bind's error. */
export async function listenMtls(options: MtlsListenerOptions): Promise<MtlsListener> {
  const listener = new MtlsListener(options);
  await listener.listen();
  return listener;
}
