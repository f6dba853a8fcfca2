/**
 * The output of one server until it is through, for forms that show it in one piece: in memory up to 64 KiB, then in a
 * file, so that the memory of many servers stays bounded (FO-3). Pieces keep the order they came in:
 *
 *     u8 stream │ u32 length │ bytes   …
 */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const memoryBytesMax = 64 * 1024;
const headBytes = 5;

export type SpoolPiece = { stream: 1 | 2; bytes: Uint8Array };

export class Spool implements AsyncDisposable {
  readonly #folder: () => Promise<string>;
  readonly #name: string;
  readonly #sums = { 1: new Bun.CryptoHasher('sha256'), 2: new Bun.CryptoHasher('sha256') };
  #buffer: Uint8Array = new Uint8Array(4 * 1024);
  #filled = 0;
  #file: FileHandle | undefined;
  #written = 0;
  #turn: Promise<void> = Promise.resolve();

  /** `name`: unique in the folder, which is made when it is needed. */
  constructor(folder: () => Promise<string>, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** Resolves when it is kept. @throws the system's error, as when the disk is full */
  append(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    // Both streams write here: one after the other.
    const done = this.#turn.then(() => this.#append(stream, bytes));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #append(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    this.#sums[stream].update(bytes);
    for (let left = bytes; left.length > 0;) {
      if (this.#filled + headBytes >= memoryBytesMax) await this.#flush();
      const part = left.subarray(0, memoryBytesMax - this.#filled - headBytes);
      this.#put(stream, part);
      left = left.subarray(part.length);
    }
  }

  #put(stream: 1 | 2, part: Uint8Array): void {
    const needed = this.#filled + headBytes + part.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(memoryBytesMax, Math.max(needed, this.#buffer.length * 2)));
      grown.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = grown;
    }
    this.#buffer[this.#filled] = stream;
    new DataView(this.#buffer.buffer).setUint32(this.#filled + 1, part.length);
    this.#buffer.set(part, this.#filled + headBytes);
    this.#filled = needed;
  }

  async #flush(): Promise<void> {
    if (this.#file === undefined) {
      const path = join(await this.#folder(), this.#name);
      this.#file = await open(path, 'wx+', 0o600);
      // Nobody needs its name, and so nothing can be left behind.
      await unlink(path);
    }
    for (let done = 0; done < this.#filled;) {
      const { bytesWritten } = await this.#file.write(this.#buffer, done, this.#filled - done, this.#written);
      done += bytesWritten;
      this.#written += bytesWritten;
    }
    this.#filled = 0;
  }

  /** The same for the same bytes on both streams, in whatever pieces they came. */
  sum(): string {
    return `${this.#sums[1].copy().digest('hex')}${this.#sums[2].copy().digest('hex')}`;
  }

  /** All pieces from the first one. Nothing may be appended meanwhile. */
  async *read(): AsyncGenerator<SpoolPiece> {
    await this.#turn;
    let rest: Uint8Array = new Uint8Array();
    for (let at = 0; at < this.#written;) {
      const chunk = new Uint8Array(Math.min(memoryBytesMax, this.#written - at));
      const { bytesRead } = (await this.#file?.read(chunk, 0, chunk.length, at)) ?? { bytesRead: 0 };
      if (bytesRead === 0) throw new Error('the spool file is shorter than it was written');
      at += bytesRead;
      rest = yield* pieces(Buffer.concat([rest, chunk.subarray(0, bytesRead)]));
    }
    yield* pieces(Buffer.concat([rest, this.#buffer.subarray(0, this.#filled)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    await this.#file?.close();
    this.#buffer = new Uint8Array();
    this.#filled = 0;
  }
}

/** Whole pieces of `bytes`; gives back the beginning of the next one. */
function* pieces(bytes: Buffer): Generator<SpoolPiece, Uint8Array> {
  let at = 0;
  while (at + headBytes <= bytes.length) {
    const length = bytes.readUInt32BE(at + 1);
    if (at + headBytes + length > bytes.length) break;
    yield { stream: bytes[at] === 2 ? 2 : 1, bytes: bytes.subarray(at + headBytes, at + headBytes + length) };
    at += headBytes + length;
  }
  return bytes.subarray(at);
}
