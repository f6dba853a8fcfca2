/** FrameSocket over a WebSocket of the `ws` package, both sides (HB-1). */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { frameLimits, socketCloseCodes, subprotocols } from '@labmesh/wire/frame/frame-types';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { WebSocket, WebSocketServer } from 'ws';
import type { FrameSocket, FrameSocketOwner } from './frame-socket.ts';

/** The other side may take this long to answer a goodbye. */
const goodbyeMs = 2_000;
const abnormal = 1006;
const reasonBytesMax = 123;
/** Above this the socket tells when it has sent a message. Below it a link never waits. */
const quietBytes = 16 * 1024;
/** Answers to WebSocket's own pings are left out when this much waits: a peer may not make us grow. */
const pongBelowBytes = 64 * 1024;
const goodbyes = new Deadlines();
const encoder = new TextEncoder();

/** At most 123 bytes, cut between characters. */
function shortReason(reason: string): string {
  let short = reason;
  while (encoder.encode(short).length > reasonBytesMax) short = short.slice(0, -1);
  return short;
}

/** Where a WebSocket keeps the WsSocket that it belongs to. */
const mine = Symbol('WsSocket');
type Owned = WebSocket & { [mine]?: WsSocket };

// One function each for all sockets: closures for thousands of idle links would cost more than the links.
function onMessage(this: Owned, data: Buffer, isBinary: boolean): void {
  const socket = this[mine];
  if (isBinary) socket?.owner?.onMessage(data);
  else socket?.refuseText();
}
function onPing(this: Owned, data: Buffer): void {
  if (this.bufferedAmount < pongBelowBytes && this.readyState === WebSocket.OPEN) this.pong(data);
}
function onClose(this: Owned, code: number, reason: Buffer): void {
  this[mine]?.onClosed(code, reason.toString());
}
function onError(this: Owned): void {
  // `close` follows and says what matters.
}

export class WsSocket implements FrameSocket, DeadlineEntry {
  owner: FrameSocketOwner | undefined;
  deadline = 0;
  #ws: WebSocket;
  #onSent: (() => void) | undefined;

  /** `ws` is open. */
  constructor(ws: WebSocket) {
    this.#ws = ws;
    (ws as Owned)[mine] = this;
    ws.binaryType = 'nodebuffer';
    ws.on('message', onMessage).on('ping', onPing).on('close', onClose).on('error', onError);
  }

  /** Frames that the runtime holds; what the kernel took is gone from here. */
  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  send(message: Uint8Array): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#ws.bufferedAmount + message.length <= quietBytes) return this.#ws.send(message);
    this.#onSent ??= () => this.owner?.onDrain();
    this.#ws.send(message, this.#onSent);
  }

  close(code: number, reason: string): void {
    if (code === abnormal) return this.terminate();
    this.#ws.close(code, shortReason(reason));
    if (this.#ws.readyState === WebSocket.CLOSED) return;
    this.deadline = performance.now() + goodbyeMs;
    goodbyes.add(this);
  }

  onDeadline(): void {
    this.terminate();
  }

  terminate(): void {
    this.#ws.terminate();
  }

  refuseText(): void {
    this.close(socketCloseCodes.protocol, 'binary frames only');
  }

  onClosed(code: number, reason: string): void {
    goodbyes.delete(this);
    const { owner } = this;
    this.owner = undefined;
    owner?.onClose(code, reason);
  }
}

const known: ReadonlySet<string> = new Set(Object.values(subprotocols));

/** The labmesh subprotocol among those a client offers; browsers put a ticket behind it (LD-5). */
export function offeredSubprotocol(request: IncomingMessage): string | undefined {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  return offered.find((one) => known.has(one));
}

// One for all listeners: it only answers upgrades and keeps no list.
const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: frameLimits.messageBytesMax,
  autoPong: false,
  clientTracking: false,
  handleProtocols: (offered) => [...offered].find((one) => known.has(one)) ?? false,
});

/** Answers an upgrade request that was let in; `done` gets the open socket in the same turn. */
export function upgradeToFrames(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  done: (socket: FrameSocket) => void,
): void {
  server.handleUpgrade(request, socket, head, (ws) => done(new WsSocket(ws)));
}
