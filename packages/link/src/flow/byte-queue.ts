/**
 * The bytes of one stream that are still needed, addressed by their count since the stream began:
 *
 *     released ≤ passed ≤ written        bytes before `released` are forgotten, those before `passed` were taken
 *
 * A sender keeps what was taken until it is credited, so that it can go back (HB-6); a relay releases what it takes.
 *
 * Bytes lie in blocks that have room for DATA's head in front, so a block that is taken whole and for the first time
 * needs no copy. Small writes share a block: a window of one-byte writes takes about a window of memory, not a
 * hundred. Nothing here bounds the queue; its owner counts against the window.
 */
import { dataHeadBytes } from '@labmesh/wire/frame/codec';
import { frameLimits } from '@labmesh/wire/frame/frame-types';

/** The most that a DATA frame holds, behind the byte that names its stream. */
export const dataBytesMax = frameLimits.payloadBytesMax - 1;
/** Smaller writes are gathered in blocks of at least this size. */
const blockBytesMin = 1024;
/** Frames with fewer bytes are copied, so that they share blocks. */
const adoptBytesMin = 8 * 1024;

type Block = {
  /** The head's room, then the bytes. */
  buffer: Buffer;
  /** Count of its first byte. */
  start: number;
  size: number;
  /** Taken from its start once: a socket may hold the buffer, so its head is not written again. */
  lent: boolean;
};

export class ByteQueue {
  #blocks: Block[] = [];
  /** Index of a block at or before the one that holds `passed`. */
  #cursor = 0;
  #released = 0;
  #passed = 0;
  #written = 0;

  get released(): number {
    return this.#released;
  }
  get passed(): number {
    return this.#passed;
  }
  get written(): number {
    return this.#written;
  }
  /** Bytes kept. */
  get size(): number {
    return this.#written - this.#released;
  }
  /** Memory of the blocks, for tests of the bound. */
  get memoryBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.buffer.length, 0);
  }

  /** Starts counting at `count`. Only for an empty queue. */
  startAt(count: number): void {
    this.#released = this.#passed = this.#written = count;
  }

  /** Copies `bytes` to the end. */
  append(bytes: Uint8Array): void {
    let at = this.#fillTail(bytes);
    while (at < bytes.length) {
      const size = Math.min(dataBytesMax, bytes.length - at);
      const buffer = Buffer.allocUnsafeSlow(dataHeadBytes + Math.max(size, blockBytesMin));
      buffer.set(bytes.subarray(at, at + size), dataHeadBytes);
      this.#blocks.push({ buffer, start: this.#written, size, lent: false });
      this.#written += size;
      at += size;
    }
  }

  /**
   * The bytes of a whole DATA frame to the end. The caller gives the frame away: one of a usual size becomes a block as it
   * is, unless it is a small part of a larger buffer, which would be kept with it.
   */
  adopt(frame: Uint8Array): void {
    const size = frame.length - dataHeadBytes;
    const isWhole = frame.buffer.byteLength < 2 * frame.length;
    if (size < adoptBytesMin || size > dataBytesMax || !isWhole) return this.append(frame.subarray(dataHeadBytes));
    const buffer = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
    this.#blocks.push({ buffer, start: this.#written, size, lent: false });
    this.#written += size;
  }

  /** Puts what fits and is worth it into the last block. */
  #fillTail(bytes: Uint8Array): number {
    const tail = this.#blocks.at(-1);
    if (tail === undefined) return 0;
    const room = tail.buffer.length - dataHeadBytes - tail.size;
    // Once the block was passed, later bytes in it cost a second copy, which only small writes are worth.
    if (room === 0 || (bytes.length >= blockBytesMin && this.#passed === this.#written)) return 0;
    const size = Math.min(room, bytes.length);
    tail.buffer.set(bytes.subarray(0, size), dataHeadBytes + tail.size);
    tail.size += size;
    this.#written += size;
    return size;
  }

  /** The next bytes, at most `most`, behind 6 bytes of room for DATA's head. Undefined when all were taken. */
  takeFrame(most: number): Uint8Array | undefined {
    const block = this.#next();
    if (block === undefined) return undefined;
    const from = this.#passed - block.start;
    const size = Math.min(block.size - from, most);
    this.#passed += size;
    if (size === block.size && !block.lent) {
      block.lent = true;
      return block.buffer.subarray(0, dataHeadBytes + size);
    }
    const copy = Buffer.allocUnsafe(dataHeadBytes + size);
    copy.set(block.buffer.subarray(dataHeadBytes + from, dataHeadBytes + from + size), dataHeadBytes);
    return copy;
  }

  /** Takes and releases the next bytes, one block at most, without a copy. */
  takeBytes(): Uint8Array | undefined {
    const block = this.#next();
    if (block === undefined) return undefined;
    const from = this.#passed - block.start;
    const bytes = block.buffer.subarray(dataHeadBytes + from, dataHeadBytes + block.size);
    this.#passed = block.start + block.size;
    this.release(this.#passed);
    return bytes;
  }

  #next(): Block | undefined {
    if (this.#passed === this.#written) return undefined;
    let block = this.#blocks[this.#cursor];
    while (block !== undefined && block.start + block.size <= this.#passed) block = this.#blocks[++this.#cursor];
    return block;
  }

  /** Forgets the bytes before `count`, which lies between `released` and `passed`. */
  release(count: number): void {
    this.#released = count;
    let gone = 0;
    while (gone < this.#blocks.length) {
      const block = this.#blocks[gone];
      if (block === undefined || block.start + block.size > count) break;
      gone++;
    }
    if (gone === 0) return;
    this.#blocks.splice(0, gone);
    this.#cursor = Math.max(0, this.#cursor - gone);
  }

  /** Goes back, or on, to `count`, which lies between `released` and `written`: what follows is taken again. */
  rewind(count: number): void {
    this.#passed = count;
    const index = this.#blocks.findIndex((block) => block.start + block.size > count);
    // At the very end the last block is the one: small writes may still join it.
    this.#cursor = index === -1 ? Math.max(0, this.#blocks.length - 1) : index;
  }

  clear(): void {
    this.#blocks = [];
    this.#cursor = 0;
    this.#released = this.#passed = this.#written;
  }
}
