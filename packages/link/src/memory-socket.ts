/** Two ends of a FrameSocket inside one process: what speaks the protocol of a client without a wire between. */
import type { FrameSocket, FrameSocketOwner } from './frame-socket.ts';

class MemorySocket implements FrameSocket {
  owner: FrameSocketOwner | undefined;
  other: MemorySocket | undefined;
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  #isOpen = true;
  #isDue = false;

  get bufferedBytes(): number {
    return this.#lineBytes;
  }

  send(message: Uint8Array): void {
    if (!this.#isOpen) return;
    // Whoever gets a message may write into it, and whoever sent it may keep it.
    this.#line.push(Uint8Array.prototype.slice.call(message));
    this.#lineBytes += message.length;
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const line = this.#line;
    this.#line = [];
    this.#lineBytes = 0;
    for (const message of line) this.other?.owner?.onMessage(message);
    if (this.#isOpen) this.owner?.onDrain();
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#deliver();
    this.#end(code, reason);
  }

  terminate(): void {
    this.#line = [];
    this.#end(1006, '');
  }

  /** Neither end hears of it inside its own call. */
  #end(code: number, reason: string): void {
    for (const end of [this, this.other]) {
      if (end?.isOpen !== true) continue;
      end.#isOpen = false;
      setImmediate(() => end.owner?.onClose(code, reason));
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }
}

/** Both are open; what one sends the other gets in the next turn of the loop. */
export function memorySockets(): [FrameSocket, FrameSocket] {
  const [one, two] = [new MemorySocket(), new MemorySocket()];
  one.other = two;
  two.other = one;
  return [one, two];
}
