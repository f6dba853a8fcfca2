/**
 * One channel id on one Link: a lane of frames that dies with its socket. Sessions that outlive sockets (ChannelEnd,
 * ChannelRelay) own one after the other.
 *
 * Sending is by turns: `ready()` asks for one, and the Link then pulls a frame when it is this channel's turn and the
 * socket has room. So nothing waits below a session except what the socket itself holds. Small frames that must not
 * wait behind data (CREDIT, SIGNAL, answers) go by `sendNow`.
 */
import type { ChannelFrame } from '@labmesh/wire/frame/codec';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';

export interface RawOwner {
  /** A frame of this channel. `message` is the whole frame as bytes, the owner's to change and keep. */
  onFrame(frame: ChannelFrame, message: Uint8Array): void;
  /** The next frame, DATA of at most `most` bytes; undefined when there is nothing now. */
  pull(most: number): Uint8Array | undefined;
  /** The link is gone, or the other side does not know the channel any more. Last call. */
  onDown(): void;
}

/** What a raw channel needs from its link. */
export interface RawHost {
  /** May a frame of data go out right now, past nobody who waits? */
  readonly hasRoom: boolean;
  /** At once, past the data that waits. */
  sendFrame(message: Uint8Array): void;
  /** Only while `hasRoom`, or as the answer to a pull. */
  sendData(message: Uint8Array): void;
  requestTurn(raw: RawChannel): void;
  forget(raw: RawChannel): void;
  sendClose(id: number, reason: CloseReason, text: string): void;
}

/** Frames that may come before an owner is there: the sender has no OPEN_OK yet, so there is no data among them. */
const earlyMax = 16;

export class RawChannel {
  readonly id: number;
  readonly host: RawHost;
  /** The link's mark that it waits for a turn. */
  waits = false;
  /** LIVE lists in a row that did not name it. */
  missed = 0;
  #owner: RawOwner | undefined;
  #up = true;
  #early: { frame: ChannelFrame; message: Uint8Array }[] | undefined;

  constructor(host: RawHost, id: number) {
    this.host = host;
    this.id = id;
  }

  get isUp(): boolean {
    return this.#up;
  }

  /** Sets who gets the frames; those that came before are given at once. */
  adopt(owner: RawOwner): void {
    this.#owner = owner;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const { frame, message } of early) if (this.#owner === owner) owner.onFrame(frame, message);
    if (!this.#up && this.#owner === owner) owner.onDown();
    else this.ready();
  }

  ready(): void {
    if (this.#up && !this.waits) this.host.requestTurn(this);
  }

  /** Sends past the data that waits. `message` already carries this channel's id. */
  sendNow(message: Uint8Array): void {
    if (this.#up) this.host.sendFrame(message);
  }

  /** Sends CLOSE at once and forgets the channel: the owner hears nothing more. */
  close(reason: CloseReason, text = ''): void {
    if (!this.#up) return;
    this.host.sendClose(this.id, reason, text);
    this.forget();
  }

  /** Leaves without a word: both sides have said CLOSE, or the socket is gone. */
  forget(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#owner = undefined;
    this.#early = undefined;
    this.host.forget(this);
  }

  /** The link has a frame for it. */
  take(frame: ChannelFrame, message: Uint8Array): void {
    if (this.#owner !== undefined) return this.#owner.onFrame(frame, message);
    this.#early ??= [];
    if (this.#early.length >= earlyMax) return this.close('protocol', 'frames before the answer');
    this.#early.push({ frame, message });
  }

  /** The link gives it a turn. */
  pull(most: number): Uint8Array | undefined {
    return this.#owner?.pull(most);
  }

  /** The link lost it. */
  down(): void {
    if (!this.#up) return;
    this.#up = false;
    this.host.forget(this);
    this.#owner?.onDown();
  }
}
