import type { MessageSocket, SocketLimits, SocketOwner } from './message-socket.ts';
import { closeFrame, type FrameSink, pingFrame, pongFrame, SocketFrames, textFrame } from './socket-frames.ts';

/** Pings of a client that takes no answers are not answered: it may not make us grow. */
const pongBelowBytes = 64 * 1024;

/** What a WebSocket needs of the raw connection that it took over. */
export type SocketHost = {
  readonly out: { readonly bytes: number; write(bytes: Uint8Array): void };
  /** The client is slow: its stall deadline runs. */
  stalled(): void;
  /** Ends the connection once everything is out. */
  finish(): void;
  destroy(): void;
};

/** A WebSocket on a raw connection, which feeds it with `onData`, `onDrained` and `onLost`. */
export class RawSocket implements MessageSocket, FrameSink {
  readonly #host: SocketHost;
  readonly #owner: SocketOwner;
  readonly #frames: SocketFrames;
  #isClosed = false;

  constructor(host: SocketHost, owner: SocketOwner, { messageBytesMost }: SocketLimits) {
    this.#host = host;
    this.#owner = owner;
    this.#frames = new SocketFrames(messageBytesMost, this);
  }

  get waitingBytes(): number {
    return this.#host.out.bytes;
  }

  send(text: string): void {
    this.#write(textFrame(text));
  }
  ping(): void {
    this.#write(pingFrame());
  }
  #write(bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#host.out.write(bytes);
    if (this.#host.out.bytes > 0) this.#host.stalled();
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#write(closeFrame(code, reason));
    this.#host.finish();
    this.onLost();
  }
  terminate(): void {
    if (!this.#isClosed) this.#host.destroy();
  }

  // --- fed by the connection ---

  onData(bytes: Buffer): void {
    this.#frames.push(bytes);
  }
  onDrained(): void {
    if (!this.#isClosed) this.#owner.onDrain();
  }
  /** The connection is gone. */
  onLost(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames.end();
    this.#owner.onClose();
  }

  // --- fed by the frames ---

  onText(text: string): void {
    this.#owner.onAlive();
    if (!this.#isClosed) this.#owner.onMessage(text);
  }
  onFragment(): void {
    this.#owner.onAlive();
  }
  onPing(payload: Buffer): void {
    this.#owner.onAlive();
    if (this.#host.out.bytes < pongBelowBytes) this.#write(pongFrame(payload));
  }
  onPong(): void {
    this.#owner.onAlive();
  }
  onGoodbye(code: number): void {
    this.close(code, '');
  }
  onProblem(code: number, reason: string): void {
    this.close(code, reason);
  }
}
