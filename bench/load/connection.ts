import type { Socket } from 'bun';
import { MessageReader } from './message-reader.ts';

/** One answer: status, and how it went. `failure` is set when the connection broke or the framing was wrong. */
export type Answer = { status: number; failure: string | undefined };

export type ConnectionSink = {
  onBody(bytes: Buffer, from: number, to: number): void;
  /** Called once per `send`. `at` is `performance.now()` of the last byte. */
  onAnswer(answer: Answer, at: number): void;
};

/** A kept-alive HTTP/1.1 client connection with one request in flight. Opens again when the server closed it. */
export class Connection {
  #socket: Socket | undefined;
  #reader: MessageReader | undefined;
  #unsent: Buffer | undefined;
  #status = 0;
  #busy = false;
  readonly #port: number;
  readonly #sink: ConnectionSink;

  constructor(port: number, sink: ConnectionSink) {
    this.#port = port;
    this.#sink = sink;
  }

  async open(): Promise<void> {
    this.#reader = new MessageReader(
      {
        onHead: (head) => {
          this.#status = Number(head.slice(9, 12));
        },
        onBody: (bytes, from, to) => this.#sink.onBody(bytes, from, to),
        onEnd: () => this.#finish(undefined),
      },
      false,
    );
    this.#socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: this.#port,
      socket: {
        data: (_, bytes) => this.#read(bytes),
        drain: () => this.#flush(),
        close: () => this.#lost('connection closed'),
        error: (_, error) => this.#lost(error.message),
      },
    });
  }

  /** Sends a whole request (head and body). */
  send(request: Buffer): void {
    this.#busy = true;
    if (this.#socket === undefined) void this.#openAndSend(request);
    else {
      this.#unsent = request;
      this.#flush();
    }
  }

  close(): void {
    this.#busy = false;
    this.#socket?.end();
    this.#socket = undefined;
  }

  async #openAndSend(request: Buffer): Promise<void> {
    try {
      await this.open();
      this.#unsent = request;
      this.#flush();
    } catch {
      // A pause, so that a dead target gives a countable error rate and not a spinning loop.
      await Bun.sleep(10);
      this.#finish('connect failed');
    }
  }

  #flush(): void {
    if (this.#unsent === undefined || this.#socket === undefined) return;
    const written = Math.max(0, this.#socket.write(this.#unsent));
    this.#unsent = written === this.#unsent.length ? undefined : this.#unsent.subarray(written);
  }

  #read(bytes: Buffer): void {
    try {
      this.#reader?.feed(bytes);
    } catch (error) {
      const socket = this.#socket;
      this.#socket = undefined;
      socket?.terminate();
      this.#finish(error instanceof Error ? error.message : String(error));
    }
  }

  #lost(reason: string): void {
    this.#socket = undefined;
    this.#unsent = undefined;
    this.#finish(reason);
  }

  #finish(failure: string | undefined): void {
    if (!this.#busy) return;
    this.#busy = false;
    this.#sink.onAnswer({ status: this.#status, failure }, performance.now());
  }
}
