import type { Socket } from 'bun';
import { encodeChunkInto, chunkFrameBytesMax } from './chunked.ts';

/**
 * One block for the whole process: head and body are put together here and handed to the kernel, which copies them, in
 * the same step. Joining strings instead costs half as much again, and a block each makes work for the collector.
 */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** What a socket has not taken yet. */
export class OutQueue<Data> {
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** Set once by whoever opens the socket. */
  socket: Socket<Data> | undefined;

  /** Bytes held here because the peer is slow. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `head` is text of single bytes (latin1). */
  writeHead(head: string, body: Uint8Array | undefined): void {
    const bodyBytes = body?.length ?? 0;
    const total = head.length + bodyBytes;
    if (this.#bytes > 0 || total > scratch.length) {
      this.write(Buffer.from(head, 'latin1'));
      if (body !== undefined && bodyBytes > 0) this.write(body);
      return;
    }
    scratch.write(head, 'latin1');
    if (body !== undefined && bodyBytes > 0) scratch.set(body, head.length);
    this.#writeScratch(total);
  }

  /** `payload` as one HTTP chunk. */
  writeChunk(payload: Uint8Array): void {
    if (this.#bytes === 0 && payload.length + chunkFrameBytesMax <= scratch.length) {
      return this.#writeScratch(encodeChunkInto(scratch, payload));
    }
    const framed = Buffer.allocUnsafe(payload.length + chunkFrameBytesMax);
    this.write(framed.subarray(0, encodeChunkInto(framed, payload)));
  }

  #writeScratch(total: number): void {
    const taken = Math.max(0, this.socket?.write(scratch, 0, total) ?? 0);
    if (taken < total) this.#hold(Buffer.from(scratch.subarray(taken, total)));
  }

  /** The bytes must not change afterwards: what the kernel does not take at once is kept as it is. */
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
