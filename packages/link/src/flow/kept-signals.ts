/** Signals and the terminal's size: sent at once while there is a link, kept over a cut (EX-5, EX-7). */
import type { ChannelFrame } from '@labmesh/wire/frame/codec';
import type { SignalName } from '@labmesh/wire/frame/frame-types';

/** More than anyone presses in a cut; the oldest go. */
const signalsMax = 32;

export class KeptSignals {
  #signals: SignalName[] = [];
  #size: { cols: number; rows: number } | undefined;
  #isSizeSent = false;

  signal(name: SignalName): void {
    if (this.#signals.length >= signalsMax) this.#signals.shift();
    this.#signals.push(name);
  }

  /** Only the last size counts. */
  resize(cols: number, rows: number): void {
    this.#size = { cols, rows };
    this.#isSizeSent = false;
  }

  /** The size may have been lost with the link. */
  rewind(): void {
    this.#isSizeSent = false;
  }

  /** What is to be sent now on `channel`. */
  take(channel: number): ChannelFrame[] {
    const frames: ChannelFrame[] = this.#signals.splice(0).map((name) => ({ type: 'signal', channel, name }));
    if (this.#size !== undefined && !this.#isSizeSent) frames.unshift({ type: 'resize', channel, ...this.#size });
    this.#isSizeSent = true;
    return frames;
  }
}
