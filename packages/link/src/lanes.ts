/** The channels of one link: their ids, and whose turn it is to send (HB-2, HB-5). */
import { type ChannelFrame, ProtocolError, encodeFrame } from '@labmesh/wire/frame/codec';
import { type CloseReason, frameLimits } from '@labmesh/wire/frame/frame-types';
import { type First, type PeerFirst, encodeFirst } from './first-frame.ts';
import { RawChannel, type RawHost } from './raw-channel.ts';

/** The link below. */
export interface LaneHost {
  /** Bytes of data that may still go to the socket. */
  readonly room: number;
  /** Of data in one frame, for who sends alone. */
  readonly aloneBytesMax: number;
  sendControl(message: Uint8Array): void;
  sendData(message: Uint8Array): void;
  /** A channel's owner threw. */
  laneFault(error: unknown): void;
}

const lastId = 0xffff_ffff;
/** LIVE lists in a row that must miss a channel before it is closed (HB-7). */
const missesMax = 2;

export class Lanes implements RawHost {
  #host: LaneHost;
  #channelsMax: number;
  #channels = new Map<number, RawChannel>();
  /** Channels that asked for a turn, first come first. */
  #turns: RawChannel[] = [];
  #pumpAsked = false;
  #nextId: number;
  #lastRemoteId = 0;

  constructor(host: LaneHost, side: 'even' | 'odd', channelsMax: number) {
    this.#host = host;
    this.#channelsMax = channelsMax;
    this.#nextId = side === 'even' ? 2 : 1;
  }

  get size(): number {
    return this.#channels.size;
  }
  get ids(): number[] {
    return [...this.#channels.keys()];
  }

  /** Undefined: no channel is left. @throws ProtocolError when `first` does not fit a frame. */
  open(first: First | PeerFirst): RawChannel | undefined {
    if (this.#channels.size >= this.#channelsMax || this.#nextId > lastId) return undefined;
    const message = encodeFirst(this.#nextId, first);
    const raw = new RawChannel(this, this.#nextId);
    this.#channels.set(raw.id, raw);
    this.#nextId += 2;
    this.#host.sendControl(message);
    return raw;
  }

  /**
   * The other side begins a channel. Undefined: too many, CLOSE `limit` was sent.
   * @throws ProtocolError for an id of our side, or one used before.
   */
  begin(id: number): RawChannel | undefined {
    if (id % 2 === this.#nextId % 2) throw new ProtocolError('a channel id of the other side');
    if (id <= this.#lastRemoteId) throw new ProtocolError('a channel id used before');
    this.#lastRemoteId = id;
    const raw = new RawChannel(this, id);
    if (this.#channels.size >= this.#channelsMax) {
      raw.close('limit', `more than ${this.#channelsMax} channels`);
      return undefined;
    }
    this.#channels.set(id, raw);
    return raw;
  }

  /** @throws ProtocolError for a channel that never was. */
  take(frame: ChannelFrame, message: Uint8Array): void {
    const raw = this.#channels.get(frame.channel);
    if (raw === undefined) {
      const ours = frame.channel % 2 === this.#nextId % 2;
      const known = ours ? frame.channel < this.#nextId : frame.channel <= this.#lastRemoteId;
      // Closed here while this was on its way.
      if (known) return;
      throw new ProtocolError('a frame for a channel that is not open');
    }
    this.#guarded(raw, () => raw.take(frame, message));
  }

  /** LIVE of the other side: what it misses twice is gone there. */
  compare(ids: readonly number[]): void {
    const there = new Set(ids);
    for (const raw of this.#channels.values()) {
      raw.missed = there.has(raw.id) ? 0 : raw.missed + 1;
      if (raw.missed >= missesMax) this.#guarded(raw, () => raw.down());
    }
  }

  down(): void {
    for (const raw of this.#channels.values()) this.#guarded(raw, () => raw.down());
    this.#turns = [];
  }

  get hasRoom(): boolean {
    return this.#turns.length === 0 && this.#host.room > 0;
  }
  sendFrame(message: Uint8Array): void {
    this.#host.sendControl(message);
  }
  sendData(message: Uint8Array): void {
    this.#host.sendData(message);
  }
  sendClose(channel: number, reason: CloseReason, text: string): void {
    this.#host.sendControl(encodeFrame({ type: 'close', channel, reason, text }));
  }
  forget(raw: RawChannel): void {
    this.#channels.delete(raw.id);
  }

  requestTurn(raw: RawChannel): void {
    raw.waits = true;
    this.#turns.push(raw);
    if (this.#pumpAsked) return;
    // Writes of one tick share a frame.
    this.#pumpAsked = true;
    queueMicrotask(() => {
      this.#pumpAsked = false;
      this.pump();
    });
  }

  /** Gives turns while the socket has room. */
  pump(): void {
    while (this.#turns.length > 0 && this.#host.room > 0) {
      const raw = this.#turns.shift();
      if (raw === undefined) return;
      raw.waits = false;
      if (!raw.isUp) continue;
      this.#guarded(raw, () => {
        // Who sends alone takes several turns at once: a frame costs each hop the same, whatever it holds.
        const message = raw.pull(this.#turns.length === 0 ? this.#host.aloneBytesMax : frameLimits.turnBytes);
        if (message === undefined) return;
        this.#host.sendData(message);
        if (!raw.waits && raw.isUp) {
          raw.waits = true;
          this.#turns.push(raw);
        }
      });
    }
  }

  /** A fault in one channel's owner ends that channel, not the others. */
  #guarded(raw: RawChannel, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#host.laneFault(error);
      raw.close('internal');
    }
  }
}
