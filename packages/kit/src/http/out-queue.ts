import type { Socket } from 'bun';

const stringBytesMax = 4096;
const notAscii = /[^\x00-\x7f]/;

/**
 * What a socket has not taken yet. A short ASCII head and body go out as one string: cheaper than joining buffers, but
 * only ASCII, because `socket.write(string)` encodes UTF-8.
 */
export class OutQueue<Data> {
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** Set once by whoever opens the socket. */
  socket: Socket<Data> | undefined;

  /** Bytes held here because the peer is slow. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `head` is ASCII or latin1 text of single bytes. */
  writeHead(head: string, body: Uint8Array | undefined): void {
    if (body === undefined || body.length === 0) return this.#writeLatin1(head);
    if (this.#bytes === 0 && body.length <= stringBytesMax) {
      const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
      if (!notAscii.test(text)) return this.#writeLatin1(head + text);
    }
    const joined = body.length <= 65_536;
    const out = Buffer.allocUnsafe(joined ? head.length + body.length : head.length);
    out.write(head, 'latin1');
    if (joined) out.set(body, head.length);
    this.write(out);
    if (!joined) this.write(body);
  }

  #writeLatin1(text: string): void {
    if (this.#bytes > 0 || notAscii.test(text)) return this.write(Buffer.from(text, 'latin1'));
    const taken = Math.max(0, this.socket?.write(text) ?? 0);
    if (taken < text.length) this.#hold(Buffer.from(text.slice(taken), 'latin1'));
  }

  write(bytes: Uint8Array): void {
    if (this.#bytes > 0) return this.#hold(bytes);
    const taken = Math.max(0, this.socket?.write(bytes) ?? 0);
    if (taken < bytes.length) this.#hold(bytes.subarray(taken));
  }

  #hold(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
  }

  /** Sends what waits; true when nothing is left. */
  flush(): boolean {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Uint8Array;
      const taken = Math.max(0, this.socket?.write(first) ?? 0);
      this.#bytes -= taken;
      if (taken < first.length) {
        this.#waiting[0] = first.subarray(taken);
        return false;
      }
      this.#waiting.shift();
    }
    return true;
  }

  clear(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }
}
