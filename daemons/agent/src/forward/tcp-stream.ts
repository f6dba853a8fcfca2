/** One TCP connection as two directions, each held back by its reader and ended for itself. */
import type { Socket } from 'bun';

export type TcpHandlers = {
  /** The next bytes come when the promise has resolved. */
  data: (bytes: Uint8Array) => Promise<void>;
  /** The other side will send no more; after the last `data`. */
  end: () => void;
  /** Over, in both directions; after `end`. */
  close: (error: Error | undefined) => void;
};

export class TcpStream {
  #socket: Socket | undefined;
  #handlers: TcpHandlers | undefined;
  #incoming: Promise<void> = Promise.resolve();
  #waiting = 0;
  #hasEnded = false;
  #isClosed = false;
  #error: Error | undefined;
  #drained: (() => void) | undefined;

  /** @throws the system's error. `signal` gives up the attempt. */
  static async connect(hostname: string, port: number, signal: AbortSignal): Promise<TcpStream> {
    const stream = new TcpStream();
    const connecting = Bun.connect({
      hostname,
      port,
      allowHalfOpen: true,
      socket: {
        // Nothing is read before there is somebody to give it to.
        open: (socket) => socket.pause(),
        data: (_, bytes) => stream.#onData(bytes),
        drain: () => stream.#onDrain(),
        end: () => stream.#onEnd(),
        error: (_, error) => void (stream.#error = error),
        close: (_, error) => stream.#onClose(error),
      },
    });
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    try {
      stream.#socket = await Promise.race([connecting, late]);
    } catch (error) {
      // It may still come about, and nobody will want it then.
      void connecting.then(
        (socket) => socket.terminate(),
        () => {},
      );
      throw error;
    }
    stream.#socket.setNoDelay(true);
    return stream;
  }

  /** Set once; reading begins. */
  handle(handlers: TcpHandlers): void {
    this.#handlers = handlers;
    if (this.#waiting === 0) this.#socket?.resume();
    if (this.#hasEnded) this.#queue(async () => handlers.end());
    if (this.#isClosed) this.#queue(async () => handlers.close(this.#error));
  }

  /** Resolves when the kernel has taken all of it, or the connection is over. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0 && !this.#isClosed;) {
      const count = this.#socket?.write(rest) ?? -1;
      if (count < 0) return;
      rest = rest.subarray(count);
      if (rest.length > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    }
  }

  /** Half-close: the other side sees the end and may still send. */
  end(): void {
    if (!this.#isClosed) this.#socket?.shutdown();
  }

  /** Drops the connection. */
  destroy(): void {
    if (!this.#isClosed) this.#socket?.terminate();
  }

  #queue(step: () => Promise<void>): void {
    this.#incoming = this.#incoming.then(step).catch(() => this.destroy());
  }

  #onData(bytes: Uint8Array): void {
    const held = bytes.slice();
    this.#waiting += 1;
    this.#socket?.pause();
    this.#queue(async () => {
      await this.#handlers?.data(held);
      this.#waiting -= 1;
      if (this.#waiting === 0 && !this.#isClosed) this.#socket?.resume();
    });
  }

  #onDrain(): void {
    this.#drained?.();
    this.#drained = undefined;
  }

  #onEnd(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const handlers = this.#handlers;
    if (handlers !== undefined) this.#queue(async () => handlers.end());
  }

  #onClose(error: Error | undefined): void {
    // Closed in one go when we had ended our side before.
    this.#onEnd();
    this.#isClosed = true;
    this.#error ??= error;
    this.#onDrain();
    const handlers = this.#handlers;
    if (handlers !== undefined) this.#queue(async () => handlers.close(this.#error));
  }
}
