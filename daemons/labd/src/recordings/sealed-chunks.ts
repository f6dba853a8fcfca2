/**
 * A file sealed in chunks (EX-9, BK-1), so that it can be written and read as a stream and still be found cut, longer,
 * swapped or changed. One AES-256-GCM key a file, never used for another:
 *
 *     u32: bit 31 last chunk, else its length     ciphertext of at most 64 KiB, tag of 16 bytes
 *     nonce: 3 zero bytes, u64 number of the chunk, u8 1 when it is the last      AAD: the context
 *
 * The context names what the file is (a part of a session, a backup with its header): the bytes of one never open as
 * another. The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';

/** Plain bytes of a chunk. */
export const chunkBytesMax = 64 * 1024;
const tagBytes = 16;
const frameBytes = 4;
const lastBit = 0x8000_0000;

/** `cut`: the file ends before its last chunk, as after a crash or a cut. `damaged`: it is not what was written. */
export class ChunkError extends Error {
  readonly kind: 'cut' | 'damaged';
  /** Number of the chunk, from 0. */
  readonly chunk: number;

  constructor(kind: 'cut' | 'damaged', chunk: number) {
    super(kind === 'cut' ? `the file ends at chunk ${chunk}, before its last` : `chunk ${chunk} is damaged`);
    this.name = 'ChunkError';
    this.kind = kind;
    this.chunk = chunk;
  }
}

function nonceOf(chunk: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(3, BigInt(chunk));
  nonce[11] = last ? 1 : 0;
  return nonce;
}

/** Seals one file from its start. Chunks go into the file in the order they were sealed. */
export class ChunkSealer {
  readonly #key: Uint8Array;
  readonly #context: Uint8Array;
  #next = 0;
  #ended = false;

  /** `key`: 32 bytes, of this file only. */
  constructor(key: Uint8Array, context: string) {
    this.#key = key;
    this.#context = new TextEncoder().encode(context);
  }

  /** The framed chunk. @throws RangeError for more than 64 KiB, or after the last. */
  seal(plain: Uint8Array, last: boolean): Uint8Array {
    if (plain.length > chunkBytesMax || this.#ended) throw new RangeError('no such chunk');
    this.#ended = last;
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(this.#next++, last)).setAAD(this.#context);
    const framed = new Uint8Array(frameBytes + plain.length + tagBytes);
    const length = plain.length + tagBytes;
    new DataView(framed.buffer).setUint32(0, last ? length | lastBit : length);
    framed.set(cipher.update(plain), frameBytes);
    cipher.final();
    framed.set(cipher.getAuthTag(), frameBytes + plain.length);
    return framed;
  }
}

/** Opens what a ChunkSealer made, from pieces of any size. Memory: one chunk and one piece. */
export class ChunkOpener {
  readonly #key: Uint8Array;
  readonly #context: Uint8Array;
  #rest: Uint8Array = new Uint8Array();
  #next = 0;
  #ended = false;

  constructor(key: Uint8Array, context: string) {
    this.#key = key;
    this.#context = new TextEncoder().encode(context);
  }

  /** The plain bytes of the chunks that are whole. @throws ChunkError damaged, once all before it were given. */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= frameBytes) {
      const rest = this.#rest;
      const head = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      const length = head & ~lastBit;
      if (this.#ended || length < tagBytes || length > chunkBytesMax + tagBytes) throw this.#damaged();
      if (rest.length < frameBytes + length) return;
      const sealed = rest.subarray(frameBytes, frameBytes + length);
      this.#rest = rest.subarray(frameBytes + length);
      yield this.#open(sealed, head >= lastBit);
    }
    if (this.#ended && this.#rest.length > 0) throw this.#damaged();
  }

  /** @throws ChunkError cut when the last chunk has not come. */
  end(): void {
    if (!this.#ended) throw new ChunkError('cut', this.#next);
  }

  #damaged(): ChunkError {
    return new ChunkError('damaged', this.#next);
  }

  #open(sealed: Uint8Array, last: boolean): Uint8Array {
    const at = sealed.length - tagBytes;
    const cipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(this.#next, last))
      .setAAD(this.#context)
      .setAuthTag(sealed.subarray(at));
    try {
      const plain = Buffer.concat([cipher.update(sealed.subarray(0, at)), cipher.final()]);
      this.#next++;
      this.#ended = last;
      return plain;
    } catch {
      throw this.#damaged();
    }
  }
}
