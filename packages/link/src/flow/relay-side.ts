/** One side of a relay: the raw channel of the moment and what waits to go out on it. */
import { type ChannelFrame, rewriteChannel } from '@labmesh/wire/frame/codec';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import { Outgoing } from './outgoing.ts';
import type { RawChannel, RawOwner } from '../raw-channel.ts';

export interface RelayCore {
  fromSide(side: RelaySide, frame: ChannelFrame, message: Uint8Array): void;
  sideDown(side: RelaySide): void;
}

export class RelaySide implements RawOwner {
  readonly raw: RawChannel;
  readonly outgoing: Outgoing;
  /** Bytes of a re-send that this side has already, by stream. */
  readonly skip: [number, number, number] = [0, 0, 0];
  /** Waiting for OPEN_OK or RESUME_OK to come (agent) or to be given (client). */
  state: 'opening' | 'resuming' | 'live';
  #core: RelayCore;

  constructor(core: RelayCore, raw: RawChannel, sends: readonly StreamId[], state: 'opening' | 'resuming') {
    this.#core = core;
    this.raw = raw;
    this.state = state;
    this.outgoing = new Outgoing(sends, Infinity, true);
  }

  /**
   * Passes bytes on: the message as it is while nothing waits before it, else its bytes by turns. The message is ours from
   * here on.
   */
  forward(stream: StreamId, bytes: Uint8Array, message: Uint8Array): void {
    const out = this.outgoing.stream(stream);
    if (out === undefined) return;
    const skipped = Math.min(this.skip[stream], bytes.length);
    this.skip[stream] -= skipped;
    if (skipped === bytes.length) return;
    if (skipped === 0 && out.isPassed && this.raw.isUp && this.raw.host.hasRoom) {
      rewriteChannel(message, this.raw.id);
      return this.raw.host.sendData(message);
    }
    if (skipped === 0) out.queue.adopt(message);
    else out.queue.append(bytes.subarray(skipped));
    this.raw.ready();
  }

  /** Bytes that wait here, of all streams. */
  get queuedBytes(): number {
    return this.outgoing.streams.reduce((sum, stream) => sum + stream.queue.size, 0);
  }

  onFrame(frame: ChannelFrame, message: Uint8Array): void {
    this.#core.fromSide(this, frame, message);
  }
  /** Nothing before the answer: until then the other side does not know the channel's counts. */
  pull(most: number): Uint8Array | undefined {
    return this.state === 'live' ? this.outgoing.pull(this.raw.id, most) : undefined;
  }
  onDown(): void {
    this.#core.sideDown(this);
  }
}
