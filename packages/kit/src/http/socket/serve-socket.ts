import type { ServerWebSocket, WebSocketHandler } from 'bun';
import { type MessageSocket, socketCodes, type SocketLimits, type SocketOwner } from './message-socket.ts';

/** Of a server on Bun.serve; what one upgrade allows is below. */
const messageBytesMost = 1024 * 1024;

/** A WebSocket on Bun.serve, which opens it after the upgrade was asked for: what is sent before waits. */
export class ServeSocket implements MessageSocket {
  readonly #owner: SocketOwner;
  readonly #limits: SocketLimits;
  #ws: ServerWebSocket<ServeSocket> | undefined;
  #early: Array<(ws: ServerWebSocket<ServeSocket>) => void> = [];
  #isClosed = false;

  constructor(owner: SocketOwner, limits: SocketLimits) {
    this.#owner = owner;
    this.#limits = limits;
  }

  get waitingBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  /** Once it is open. */
  #then(work: (ws: ServerWebSocket<ServeSocket>) => void): void {
    if (this.#isClosed) return;
    if (this.#ws === undefined) this.#early.push(work);
    else work(this.#ws);
  }
  send(text: string): void {
    this.#then((ws) => ws.send(text));
  }
  ping(): void {
    this.#then((ws) => ws.ping());
  }
  /** Bun cuts a connection some seconds after this, also where the client takes nothing or does not hang up. */
  close(code: number, reason: string): void {
    this.#then((ws) => ws.close(code, reason.slice(0, 40)));
    this.onClosed();
  }
  terminate(): void {
    this.#then((ws) => ws.terminate());
  }

  // --- fed by Bun.serve ---

  onOpen(ws: ServerWebSocket<ServeSocket>): void {
    this.#ws = ws;
    for (const work of this.#early.splice(0)) work(ws);
  }
  onText(text: string | Buffer): void {
    if (this.#isClosed) return;
    this.onHeard();
    if (this.#isClosed) return;
    if (typeof text !== 'string') return this.close(socketCodes.unsupported, 'texts only');
    const { messageBytesMost: most } = this.#limits;
    if (Buffer.byteLength(text) > most) return this.close(socketCodes.tooLarge, `at most ${most} bytes`);
    this.#owner.onMessage(text);
  }
  onHeard(): void {
    if (!this.#isClosed) this.#owner.onAlive();
  }
  onDrained(): void {
    if (!this.#isClosed) this.#owner.onDrain();
  }
  onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#owner.onClose();
  }
}

/** For Bun.serve: each event to the socket that it is of. */
export const serveSockets: WebSocketHandler<ServeSocket> = {
  maxPayloadLength: messageBytesMost,
  perMessageDeflate: false,
  // Who owns a socket asks whether it lives.
  idleTimeout: 0,
  sendPings: false,
  open: (ws) => ws.data.onOpen(ws),
  message: (ws, text) => ws.data.onText(text),
  ping: (ws) => ws.data.onHeard(),
  pong: (ws) => ws.data.onHeard(),
  drain: (ws) => ws.data.onDrained(),
  close: (ws) => ws.data.onClosed(),
};
