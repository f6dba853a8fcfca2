/**
 * The file of one part: a magic, then sealed chunks, each a zstd frame of its own over at most 64,000 bytes of
 * asciicast. What is torn off the end by a crash costs the last chunk and nothing before it.
 *
 * A write that fails is repeated at the same place, the same bytes, until it works or the grace is over (EX-10).
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Clock } from '@labmesh/kit/clock';
import { type RecorderHealth, Stalled, withinStall } from './recorder-health.ts';
import { ChunkSealer } from './sealed-chunks.ts';
import type { PartSink } from './session-recording.ts';
import type { SpareFile, SpareFiles } from './spare-files.ts';

/** First bytes of a file. */
export const partMagic: Uint8Array = new TextEncoder().encode('labmrec1');
/** Plain bytes of a chunk: with zstd's worst case still under 64 KiB. */
const castBytesMax = 64_000;
const retryMs = 250;
/** Fast enough to stay out of the way of the relay; terminal text shrinks tenfold all the same. */
const zstdLevel = 1;

/** Which part of what: sealed files open under this name only. */
export const partContext = (id: string, session: string, replicaId: string, part: number): string =>
  ['labmesh-recording-v1', id, session, replicaId, part].join('\n');

/** A file that opens after nobody waits any more is closed: a handle must never be forgotten. */
async function openWithin({ stallMs, path }: PartFileOptions): Promise<FileHandle> {
  const opening = open(path, 'wx', 0o600);
  try {
    return await withinStall(stallMs, opening);
  } catch (error) {
    opening.then((file) => file.close()).catch(() => {});
    throw error;
  }
}

export type PartFileOptions = {
  path: string;
  spares: Pick<SpareFiles, 'take'>;
  /** 32 bytes. */
  key: Uint8Array;
  context: string;
  health: RecorderHealth;
  clock: Clock;
  /** How long a failing write is repeated, ms. */
  graceMs: number;
  stallMs: number;
};

export class PartFile implements PartSink {
  readonly #options: PartFileOptions;
  readonly #file: FileHandle;
  readonly #sealer: ChunkSealer;
  readonly #hash = new Bun.CryptoHasher('sha256');
  #offset = 0;
  /** Called when writes begin to fail. */
  onFailing: (() => void) | undefined;
  #isFailing = false;
  #gaveUp = false;
  /** The system call under way; the file is closed after it, never below it. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(options: PartFileOptions, file: FileHandle) {
    this.#options = options;
    this.#file = file;
    this.#sealer = new ChunkSealer(options.key, options.context);
  }

  /** Makes the file (0600) and writes its start. Throws what the file system says, leaving nothing open. */
  static async create(options: PartFileOptions, start: string): Promise<PartFile> {
    const { health, spares } = options;
    try {
      const spare = spares.take();
      const made = spare && (await PartFile.#from(spare, options, start));
      if (made !== undefined) return made;
      const part = new PartFile(options, await openWithin(options));
      try {
        await part.#begin(start);
      } catch (error) {
        part.close();
        throw error;
      }
      return part;
    } catch (error) {
      health.failed(error);
      throw error;
    }
  }

  /** A spare that is brought to its place while it is written to; undefined when it cannot be used. @throws Stalled */
  static async #from(spare: SpareFile, options: PartFileOptions, start: string): Promise<PartFile | undefined> {
    const { path, stallMs } = options;
    const part = new PartFile(options, spare.file);
    const done = await Promise.allSettled([part.#begin(start), withinStall(stallMs, spare.moveTo(path))]);
    if (done.every(({ status }) => status === 'fulfilled')) return part;
    // Somebody removed it, or the disk is full: whoever makes a new one in its place says so.
    void part.#writing.then(() => spare.drop());
    for (const one of done) if (one.status === 'rejected' && one.reason instanceof Stalled) throw one.reason;
    await withinStall(stallMs, rm(path, { force: true }));
    return undefined;
  }

  /** True from a write that failed until it worked. */
  get failing(): boolean {
    return this.#isFailing;
  }
  /** Bytes of the file, and its SHA-256 so far. */
  get bytes(): number {
    return this.#offset;
  }
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Ends the repeating: `append` resolves false. */
  giveUp(): void {
    this.#gaveUp = true;
  }

  /** Writes text, one call at a time. Resolves false when it gave up: the file then ends before this text. */
  async append(text: string, last: boolean): Promise<boolean> {
    const { clock, graceMs, health } = this.#options;
    const bytes = this.#seal(text, last);
    const since = clock.now();
    while (!this.#gaveUp) {
      try {
        await this.#write(bytes);
        this.#isFailing = false;
        return true;
      } catch (error) {
        health.failed(error);
        if (!this.#isFailing) this.#startFailing();
      }
      if (clock.now() - since >= graceMs) break;
      await clock.sleep(Math.min(retryMs, graceMs));
    }
    this.#gaveUp = true;
    return false;
  }

  #startFailing(): void {
    this.#isFailing = true;
    this.onFailing?.();
  }

  #begin(start: string): Promise<void> {
    return this.#write(Buffer.concat([partMagic, this.#seal(start, false)]));
  }

  #seal(text: string, last: boolean): Uint8Array {
    const plain = Buffer.from(text);
    const count = Math.max(1, Math.ceil(plain.length / castBytesMax));
    const chunks = Array.from({ length: count }, (_, i) => {
      const frame = Bun.zstdCompressSync(plain.subarray(i * castBytesMax, (i + 1) * castBytesMax), {
        level: zstdLevel,
      });
      return this.#sealer.seal(frame, last && i === count - 1);
    });
    return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const work = this.#writeAll(bytes);
    this.#writing = work.catch(() => {});
    await withinStall(this.#options.stallMs, work);
    this.#offset += bytes.length;
    this.#hash.update(bytes);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#offset + done);
      if (bytesWritten === 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
      done += bytesWritten;
    }
  }

  /** In the background, after what is being written: a disk that hangs holds nobody up. */
  close(): void {
    void this.#writing.then(() => this.#file.close()).catch(() => {});
  }
}
