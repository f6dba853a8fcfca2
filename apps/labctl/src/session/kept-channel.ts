/** A channel of ours that is kept alive over cuts: its user sees only pauses (EX-7). */
import type { Channel, ChannelEnding, ChannelHandlers } from '@labmesh/link/channel';
import type { ChannelEnd } from '@labmesh/link/channel-end';
import type { CloseReason, SignalName, StreamId } from '@labmesh/wire/frame/frame-types';
import type { OpenOk, Received } from '@labmesh/wire/frame/messages';

export class KeptChannel implements Channel {
  /** labd's answer to OPEN: session, whether it is recorded, and what belongs to the kind. */
  readonly ok: OpenOk;
  readonly #end: ChannelEnd;
  readonly #onCut: () => void;

  /** `onCut`: the link below is gone. */
  constructor(end: ChannelEnd, ok: OpenOk, onCut: () => void) {
    this.#end = end;
    this.ok = ok;
    this.#onCut = onCut;
  }

  handle(handlers: ChannelHandlers): void {
    this.#end.handle({
      ...handlers,
      cut: (isCut) => {
        handlers.cut?.(isCut);
        if (isCut) this.#onCut();
      },
    });
    // Cut before there was anybody to tell it to.
    if (this.#end.isCut) this.#onCut();
  }

  get session(): string {
    return this.#end.session;
  }
  get received(): Received {
    return this.#end.received;
  }
  get sent(): Received {
    return this.#end.sent;
  }
  get isCut(): boolean {
    return this.#end.isCut;
  }
  get closed(): Promise<ChannelEnding> {
    return this.#end.closed;
  }
  write(stream: StreamId, bytes: Uint8Array): Promise<void> {
    return this.#end.write(stream, bytes);
  }
  end(stream: StreamId): void {
    this.#end.end(stream);
  }
  sendSignal(name: SignalName): void {
    this.#end.sendSignal(name);
  }
  sendResize(cols: number, rows: number): void {
    this.#end.sendResize(cols, rows);
  }
  sendExit(): never {
    throw new TypeError('the side that opened sends no exit');
  }
  close(reason: CloseReason, text?: string): void {
    this.#end.close(reason, text);
  }
}
