/**
 * One WebSocket as many channels (HB-1 … HB-8): the agent link, the client socket and the peer link are all this.
 *
 *     socket ──► decode ──► channel 0: hello, ping, msg, goaway, live
 *                    └────► channel n: its RawChannel (lanes.ts)
 *     socket ◄── control frames at once ◄── data by turns of 16 KiB, channel after channel
 *
 * Data stops while the socket holds a quarter of `socketBufferMax`; control frames use the rest. What would pass the
 * whole closes the link (4429): the other side makes us answer and does not read. A link costs no timer and no
 * closure of its own, so that thousands may idle.
 */
import { type ControlFrame, type Frame, ProtocolError, decodeFrame, encodeFrame } from '@labmesh/wire/frame/codec';
import { frameLimits, socketCloseCodes } from '@labmesh/wire/frame/frame-types';
import type { Goaway, Hello, HelloOk, Msg } from '@labmesh/wire/frame/messages';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { BadFirst, type First, type PeerFirst, parseOpen, parsePeerFirst } from './first-frame.ts';
import { dataBytesMax } from './flow/byte-queue.ts';
import type { FrameSocket, FrameSocketOwner } from './frame-socket.ts';
import { type LaneHost, Lanes } from './lanes.ts';
import type { RawChannel } from './raw-channel.ts';

export type SocketCloseName = keyof typeof socketCloseCodes;

/** What comes in on a link. One object may serve many links. */
export interface LinkHandlers {
  /** The accepting side: answer by `link.accept` or `link.close`. */
  hello?(link: Link, hello: Hello): void;
  msg?(link: Link, msg: Msg): void;
  goaway?(link: Link, goaway: Goaway): void;
  /** OPEN or RESUME of the other side, to be adopted or closed. Unset: refused as `denied`. */
  first?(link: Link, raw: RawChannel, first: First): void;
  /** The same from another replica, in place of `first`: OPEN carries a PeerOpen. */
  peerFirst?(link: Link, raw: RawChannel, first: PeerFirst): void;
  /** Before each frame: a name ends the link, such as `revoked` (CA-8). */
  beforeFrame?(link: Link): SocketCloseName | undefined;
  /** Last call, once, whoever ended it. */
  closed?(link: Link, code: number, reason: string): void;
  /** A handler threw: the channel, or for control frames the link, is closed. */
  fault?(link: Link, error: unknown): void;
}

export type LinkOptions = {
  /** labd opens even channels, the other side odd ones; between two replicas the one that accepted opens even ones. */
  side: 'even' | 'odd';
  channelsMax?: number;
  /** Bytes that the socket may hold unsent. */
  socketBufferMax?: number;
  helloTimeoutMs?: number;
  liveEveryMs?: number;
  deadlines?: Deadlines;
};

const socketBufferMaxDefault = 1024 * 1024;
const liveEveryMsDefault = 60_000;
/** PINGs in a row without any sign of life that make a link dead (AG-4). */
const missedPongsMax = 3;
/** WebSocket's own code for a fault on our side (RFC 6455 section 7.4.1). */
const internalFault = 1011;
const abnormal = 1006;
const allDeadlines = new Deadlines();

type HelloWait = { resolve: (ok: HelloOk) => void; reject: (error: Error) => void };

/** The link is down, or has no channel left. */
export class LinkRefused extends Error {
  readonly reason: 'down' | 'limit';
  constructor(reason: 'down' | 'limit') {
    super(reason === 'down' ? 'the link is down' : 'the link has no channel left');
    this.name = 'LinkRefused';
    this.reason = reason;
  }
}

/** The link ended before HELLO_OK. `code` is the WebSocket's. */
export class LinkClosed extends Error {
  readonly code: number;
  constructor(code: number, reason: string) {
    super(`the link was closed: ${code}${reason === '' ? '' : ` ${reason}`}`);
    this.name = 'LinkClosed';
    this.code = code;
  }
}

export class Link implements FrameSocketOwner, LaneHost, DeadlineEntry {
  #socket: FrameSocket;
  #handlers: LinkHandlers;
  #options: LinkOptions;
  #bufferMax: number;
  #state: 'greeting' | 'up' | 'closed' = 'greeting';
  /** HELLO was sent or received. */
  #greeted = false;
  #helloWait: HelloWait | undefined;
  #lanes: Lanes | undefined;
  #pingsOpen = 0;
  #lastPing = 0n;
  deadline: number;
  /** Round trip of the last PING, ms. */
  rttMs: number | undefined;
  /** performance.now() when the last frame came. */
  lastFrameAt: number;
  framesIn = 0;
  framesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Frame types from 0x80 and MSG of unknown kinds. */
  ignored = 0;

  /** Reads from `socket` at once; until HELLO is through, at most `helloTimeoutMs` (10 s). */
  constructor(socket: FrameSocket, handlers: LinkHandlers, options: LinkOptions) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#options = options;
    this.#bufferMax = options.socketBufferMax ?? socketBufferMaxDefault;
    this.lastFrameAt = performance.now();
    this.deadline = this.lastFrameAt + (options.helloTimeoutMs ?? frameLimits.helloTimeoutMs);
    this.#deadlines.add(this);
    socket.owner = this;
  }

  get #deadlines(): Deadlines {
    return this.#options.deadlines ?? allDeadlines;
  }
  get isUp(): boolean {
    return this.#state === 'up';
  }
  get channels(): number {
    return this.#lanes?.size ?? 0;
  }
  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }
  get aloneBytesMax(): number {
    // Where little may wait, little comes at once.
    return this.#bufferMax / 4 < dataBytesMax ? frameLimits.turnBytes : dataBytesMax;
  }
  get room(): number {
    return this.#state === 'up' ? this.#bufferMax / 4 - this.#socket.bufferedBytes : 0;
  }

  /** The dialling side greets. Rejects with LinkClosed. */
  hello(hello: Hello): Promise<HelloOk> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'greeting' || this.#greeted) return reject(new LinkClosed(abnormal, ''));
      this.#helloWait = { resolve, reject };
      this.#greeted = true;
      this.sendControl(encodeFrame({ type: 'hello', channel: 0, body: hello }));
    });
  }

  /** The accepting side lets the other one in; from here on channels may open. */
  accept(ok: HelloOk): void {
    if (this.#state !== 'greeting' || !this.#greeted) return;
    this.sendControl(encodeFrame({ type: 'helloOk', channel: 0, body: ok }));
    this.#up();
  }

  #up(): void {
    this.#state = 'up';
    this.deadline = performance.now() + (this.#options.liveEveryMs ?? liveEveryMsDefault);
  }

  /**
   * Begins a channel: OPEN, RESUME or, on a peer link, the OPEN around one of them.
   * @throws LinkRefused; ProtocolError when it does not fit a frame.
   */
  open(first: First | PeerFirst): RawChannel {
    if (this.#state !== 'up') throw new LinkRefused('down');
    const raw = this.#openLanes().open(first);
    if (raw === undefined) throw new LinkRefused('limit');
    return raw;
  }

  #openLanes(): Lanes {
    this.#lanes ??= new Lanes(this, this.#options.side, this.#options.channelsMax ?? frameLimits.channelsMax);
    return this.#lanes;
  }

  /** False: not sent, the socket is half full or gone; the caller keeps it. @throws ProtocolError when too large. */
  sendMsg(msg: Msg): boolean {
    if (this.#state !== 'up' || this.#socket.bufferedBytes > this.#bufferMax / 2) return false;
    this.sendControl(encodeFrame({ type: 'msg', channel: 0, body: msg }));
    return true;
  }

  /** Says that this side is about to go, and where to go instead (HB-11, SD-1). */
  goaway(goaway: Goaway): void {
    if (this.#state === 'up') this.sendControl(encodeFrame({ type: 'goaway', channel: 0, body: goaway }));
  }

  /** Call once a heartbeat. False: nothing came since three PINGs, the link is dead and was ended. */
  ping(): boolean {
    if (this.#state !== 'up') return false;
    if (this.#pingsOpen >= missedPongsMax) {
      this.#end(abnormal, 'no answer to three pings', () => this.#socket.terminate());
      return false;
    }
    this.#pingsOpen++;
    this.#lastPing = BigInt(Math.round(performance.now() * 1000));
    this.sendControl(encodeFrame({ type: 'ping', channel: 0, value: this.#lastPing }));
    return true;
  }

  /** Ends the link with one of the codes of fleet plane 5; every channel on it is cut. */
  close(name: SocketCloseName, reason: string = name): void {
    this.#closeWith(socketCloseCodes[name], reason);
  }

  #closeWith(code: number, reason: string): void {
    this.#end(code, reason, () => this.#socket.close(code, reason));
  }

  #end(code: number, reason: string, endSocket: () => void): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#deadlines.delete(this);
    endSocket();
    this.#helloWait?.reject(new LinkClosed(code, reason));
    this.#helloWait = undefined;
    this.#lanes?.down();
    this.#lanes = undefined;
    this.#handlers.closed?.(this, code, reason);
  }

  onDeadline(): void {
    if (this.#state === 'greeting') return this.close('helloTimeout');
    this.sendControl(encodeFrame({ type: 'live', channel: 0, ids: this.#lanes?.ids ?? [] }));
    this.deadline = performance.now() + (this.#options.liveEveryMs ?? liveEveryMsDefault);
  }

  onClose(code: number, reason: string): void {
    this.#end(code, reason, () => {});
  }

  onDrain(): void {
    this.#lanes?.pump();
  }

  sendControl(message: Uint8Array): void {
    if (this.#state === 'closed') return;
    const isFull = this.#socket.bufferedBytes + message.length > this.#bufferMax;
    if (isFull) return this.close('limit', 'the socket is not read');
    this.sendData(message);
  }

  sendData(message: Uint8Array): void {
    this.framesOut++;
    this.bytesOut += message.length;
    this.#socket.send(message);
  }

  laneFault(error: unknown): void {
    this.#handlers.fault?.(this, error);
  }

  onMessage(message: Uint8Array): void {
    if (this.#state === 'closed') return;
    this.framesIn++;
    this.bytesIn += message.length;
    this.lastFrameAt = performance.now();
    this.#pingsOpen = 0;
    try {
      const refusal = this.#handlers.beforeFrame?.(this);
      if (refusal !== undefined) return this.close(refusal);
      const frame = decodeFrame(message);
      if (frame === undefined) this.ignored++;
      else this.#dispatch(frame, message);
    } catch (error) {
      if (error instanceof ProtocolError) return this.#closeWith(error.code, error.message);
      this.#handlers.fault?.(this, error);
      this.#closeWith(internalFault, 'internal');
    }
  }

  #dispatch(frame: Frame, message: Uint8Array): void {
    if (this.#state === 'greeting') return this.#greet(frame);
    if (frame.channel === 0) return this.#control(frame as ControlFrame);
    if (frame.type === 'open' || frame.type === 'resume') return this.#begin(frame);
    this.#openLanes().take(frame as Exclude<Frame, ControlFrame>, message);
  }

  #greet(frame: Frame): void {
    if (frame.type === 'hello' && !this.#greeted && this.#handlers.hello !== undefined) {
      this.#greeted = true;
      return this.#handlers.hello(this, frame.body);
    }
    if (frame.type !== 'helloOk' || this.#helloWait === undefined) throw new ProtocolError('a frame before HELLO');
    this.#up();
    this.#helloWait.resolve(frame.body);
    this.#helloWait = undefined;
  }

  #control(frame: ControlFrame): void {
    switch (frame.type) {
      case 'ping':
        return this.sendControl(encodeFrame({ type: 'pong', channel: 0, value: frame.value }));
      case 'pong':
        if (frame.value === this.#lastPing) this.rttMs = performance.now() - Number(frame.value) / 1000;
        return;
      case 'msg':
        return this.#handlers.msg?.(this, frame.body);
      case 'msgUnknown':
        this.ignored++;
        return;
      case 'goaway':
        return this.#handlers.goaway?.(this, frame.body);
      case 'live':
        return this.#lanes?.compare(frame.ids);
      default:
        throw new ProtocolError('HELLO twice');
    }
  }

  #begin(frame: Extract<Frame, { type: 'open' | 'resume' }>): void {
    const raw = this.#openLanes().begin(frame.channel);
    if (raw === undefined) return;
    const handlers = this.#handlers;
    try {
      if (handlers.peerFirst !== undefined) {
        if (frame.type === 'resume') throw new BadFirst('RESUME comes inside OPEN here');
        return handlers.peerFirst(this, raw, parsePeerFirst(frame.body));
      }
      if (handlers.first === undefined) return raw.close('denied', 'nothing opens here');
      handlers.first(this, raw, frame.type === 'open' ? parseOpen(frame.body) : { type: 'resume', resume: frame.body });
    } catch (error) {
      if (error instanceof BadFirst) return raw.close('protocol', error.message);
      this.laneFault(error);
      raw.close('internal');
    }
  }
}
