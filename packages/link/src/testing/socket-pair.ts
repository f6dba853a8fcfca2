/** Two ends of a WebSocket in memory: messages arrive later and in order, and a test may cut between any two. */
import type { FrameSocket, FrameSocketOwner } from '../frame-socket.ts';

const abnormal = 1006;

export class MemorySocket implements FrameSocket {
  owner: FrameSocketOwner | undefined;
  bufferedBytes = 0;
  /** Everything sent, for tests that look at bytes; kept only when `records`. */
  readonly sent: Uint8Array[] = [];
  records = false;
  /** Messages that move in one turn of the loop; all of them by default. */
  perTurn: () => number = () => Infinity;
  /** False: what is sent stays unsent, as when the other side does not read. */
  #flows = true;
  #isOpen = true;
  #other: MemorySocket | undefined;
  #line: Uint8Array[] = [];
  #isScheduled = false;

  static pair(): [MemorySocket, MemorySocket] {
    const [a, b] = [new MemorySocket(), new MemorySocket()];
    a.#other = b;
    b.#other = a;
    return [a, b];
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  set flows(flows: boolean) {
    this.#flows = flows;
    this.#schedule();
  }

  send(message: Uint8Array): void {
    if (!this.#isOpen) return;
    if (this.records) this.sent.push(Uint8Array.prototype.slice.call(message));
    // A copy: on a real socket the two ends share no memory either.
    this.#line.push(Uint8Array.prototype.slice.call(message));
    this.bufferedBytes += message.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#flows || this.#line.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#flows) return;
      this.deliver(Math.min(this.#line.length, this.perTurn()));
      this.#schedule();
    });
  }

  /** Lets the first `count` messages arrive now. */
  deliver(count: number): void {
    for (const message of this.#line.splice(0, count)) {
      this.bufferedBytes -= message.length;
      if (this.#isOpen) this.#other?.owner?.onMessage(message);
    }
    this.owner?.onDrain();
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.deliver(this.#line.length);
    this.#stop();
    const other = this.#other;
    setImmediate(() => other?.stopped(code, reason));
  }

  /** Both ends lose the connection; what was not delivered is lost. */
  terminate(): void {
    this.stopped(abnormal, '');
    this.#other?.stopped(abnormal, '');
  }

  stopped(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#stop();
    this.owner?.onClose(code, reason);
  }

  #stop(): void {
    this.#isOpen = false;
    this.#line = [];
    this.bufferedBytes = 0;
  }
}
