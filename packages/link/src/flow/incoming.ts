/**
 * What comes in on a channel: each stream's bytes wait here, at most one window of them, until the handler has taken
 * the ones before, and what the handler took goes back as credit (HB-4).
 */
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import { ByteQueue } from './byte-queue.ts';

export interface IncomingHost {
  /** Hands bytes to the session's handler. */
  deliver(stream: StreamId, bytes: Uint8Array): void | Promise<void>;
  deliverEof(stream: StreamId): void;
  sendCredit(stream: StreamId, count: number): void;
  /** Something may be credited soon, when no more comes. */
  creditLater(): void;
  /** A stream came to rest: nothing waits and nothing is being handled. */
  rested(): void;
  handlerFailed(error: unknown): void;
}

/** What a frame got wrong, if anything. */
export type Fault = 'flow-violation' | 'protocol' | undefined;

export class InStream {
  readonly id: StreamId;
  #host: IncomingHost;
  window: number;
  /** Bytes of a re-send that are here already. */
  #skip = 0;
  #received = 0;
  #consumed = 0;
  #credited = 0;
  #queue = new ByteQueue();
  #busy = false;
  #isOpen = false;
  /** Nobody wants the rest: it is consumed as it comes. */
  #discards = false;
  eof = false;
  eofDelivered = false;

  constructor(id: StreamId, window: number, host: IncomingHost) {
    this.id = id;
    this.window = window;
    this.#host = host;
  }

  get received(): number {
    return this.#received;
  }
  get consumed(): number {
    return this.#consumed;
  }
  get #isEmpty(): boolean {
    return !this.#busy && this.#queue.size === 0;
  }
  /** All that came was handled, EOF too. */
  get isAtRest(): boolean {
    return this.#isEmpty && (!this.eof || this.eofDelivered || this.#discards);
  }
  get memoryBytes(): number {
    return this.#queue.memoryBytes;
  }

  /** From now on there is a handler. */
  open(): void {
    this.#isOpen = true;
    this.#pump();
  }

  data(bytes: Uint8Array): Fault {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    const added = bytes.length - skipped;
    if (added === 0) return undefined;
    if (this.eof) return 'protocol';
    if (this.#received + added - this.#credited > this.window) return 'flow-violation';
    this.#received += added;
    const fresh = skipped === 0 ? bytes : bytes.subarray(skipped);
    if (this.#discards) this.#take(added);
    else if (this.#isOpen && this.#isEmpty) this.#handle(fresh);
    else this.#queue.append(fresh);
    return undefined;
  }

  /** Again after a resume: the sender cannot know that it arrived. */
  end(): Fault {
    if (this.#skip > 0) return 'protocol';
    this.eof = true;
    if (!this.#discards) this.#pump();
    return undefined;
  }

  /** A re-send begins at `start`. False: bytes between are lost. */
  resumeAt(start: number): boolean {
    this.#skip = this.#received - start;
    return this.#skip >= 0;
  }

  /** Credits may have been lost with the link. */
  creditNow(): void {
    this.#credited = this.#consumed;
    this.#host.sendCredit(this.id, this.#consumed);
  }

  creditIfAny(): void {
    if (this.#consumed > this.#credited) this.creditNow();
  }

  discard(): void {
    this.#discards = true;
    this.#take(this.#queue.size);
    this.#queue.clear();
  }

  #take(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed - this.#credited >= this.window / 4) this.creditNow();
    else this.#host.creditLater();
  }

  #pump(): void {
    while (this.#isOpen && !this.#busy) {
      const bytes = this.#queue.takeBytes();
      if (bytes === undefined) break;
      this.#handle(bytes);
    }
    if (!this.#isOpen || !this.#isEmpty) return;
    if (this.eof && !this.eofDelivered && !this.#discards) {
      this.eofDelivered = true;
      this.#host.deliverEof(this.id);
    }
    this.#host.rested();
  }

  #handle(bytes: Uint8Array): void {
    const taken = this.#host.deliver(this.id, bytes);
    if (taken === undefined) return this.#take(bytes.length);
    this.#busy = true;
    taken.then(
      () => {
        this.#busy = false;
        this.#take(bytes.length);
        this.#pump();
      },
      (error: unknown) => {
        this.#busy = false;
        this.#host.handlerFailed(error);
      },
    );
  }
}
