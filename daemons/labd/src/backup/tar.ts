/**
 * The little of tar (POSIX ustar) that a backup needs: plain files, short names, one after the other. What is written
 * opens with any tar; what is read was sealed by us, and is checked all the same.
 */

const blockBytes = 512;
const nameBytesMax = 99;
/** The largest size that eleven octal digits tell: 8 GiB. */
export const tarSizeMax = 0o77_777_777_777;

/** Not what we write: `VALIDATION_FAILED` for whoever brought the file. */
export class TarError extends Error {
  constructor(what: string) {
    super(`not a tar of ours: ${what}`);
    this.name = 'TarError';
  }
}

const field = (text: string, bytes: number) => Buffer.from(text.padEnd(bytes, '\0'), 'latin1');
const octal = (value: number, bytes: number) => field(value.toString(8).padStart(bytes - 1, '0'), bytes);
const namePattern = /^[a-z0-9_][a-z0-9_.-]*(\/[a-z0-9_][a-z0-9_.-]*)*$/;

const sumAt = { from: 148, to: 156 } as const;
/** The sum of the header's bytes, its own field read as spaces. */
const headerSum = (header: Uint8Array) =>
  header.reduce((sum, byte, at) => sum + (at >= sumAt.from && at < sumAt.to ? 32 : byte), 0);

/** The header of one file. `mtimeMs`: Unix ms. @throws TarError for names and sizes that do not fit. */
export function tarHeader(name: string, size: number, mtimeMs: number): Uint8Array {
  if (!namePattern.test(name) || name.length > nameBytesMax) throw new TarError(`the name ${name}`);
  if (!Number.isSafeInteger(size) || size < 0 || size > tarSizeMax) throw new TarError(`the size ${size}`);
  const header = Buffer.concat([
    field(name, 100),
    octal(0o600, 8),
    octal(0, 8),
    octal(0, 8),
    octal(size, 12),
    octal(Math.floor(mtimeMs / 1000), 12),
    field('        ', 8),
    field('0', 1),
    field('', 100),
    field('ustar\x0000', 8),
    field('', 247),
  ]);
  header.set(field(`${headerSum(header).toString(8).padStart(6, '0')}\0 `, 8), sumAt.from);
  return header;
}

/** Zeros from the end of a file of `size` bytes to the next header. */
export const tarPadding = (size: number): Uint8Array => new Uint8Array((blockBytes - (size % blockBytes)) % blockBytes);
export const tarEnd: Uint8Array = new Uint8Array(2 * blockBytes);

/** A whole file of a tar. */
export const tarFile = (name: string, bytes: Uint8Array, mtimeMs: number): Uint8Array =>
  Buffer.concat([tarHeader(name, bytes.length, mtimeMs), bytes, tarPadding(bytes.length)]);

/** `body` is read to its end, or left alone: the next entry skips what is left of it. */
export type TarEntry = { name: string; size: number; body: AsyncGenerator<Uint8Array> };

const textAt = (header: Uint8Array, from: number, bytes: number) =>
  Buffer.from(header.subarray(from, from + bytes))
    .toString('latin1')
    .replace(/\0.*$/s, '');

function parseHeader(header: Uint8Array): { name: string; size: number } {
  const [name, size, sum] = [textAt(header, 0, 100), textAt(header, 124, 12), textAt(header, sumAt.from, 8)];
  if (Number.parseInt(sum, 8) !== headerSum(header)) throw new TarError('a header with a wrong sum');
  if (!namePattern.test(name) || textAt(header, 156, 1) !== '0') throw new TarError('an entry that is no file of ours');
  if (!/^[0-7]{11}$/.test(size)) throw new TarError('a size');
  return { name, size: Number.parseInt(size, 8) };
}

/** Pieces of any size, taken in the sizes that are wanted. */
class Pieces {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At most `most` bytes of what is there or comes next. @throws TarError at the end. */
  async some(most: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) throw new TarError('it ends too early');
      this.#rest = next.value;
    }
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  async exactly(bytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let left = bytes; left > 0;) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** Lets the source go: it may hold a file open. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async assertEnd(): Promise<void> {
    // A source may end with an empty piece: where the sealed chunks are full, or what unpacks them has nothing left.
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return;
      this.#rest = next.value;
    }
    throw new TarError('something follows its end');
  }
}

async function* bodyOf(pieces: Pieces, size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0;) {
    const part = await pieces.some(left);
    left -= part.length;
    yield part;
  }
}

/** One file, and a body that knows how much of it was read. */
function entryOf(pieces: Pieces, header: Uint8Array): { entry: TarEntry; skip: () => Promise<void> } {
  const { name, size } = parseHeader(header);
  let left = size;
  const body = (async function* counted() {
    for await (const part of bodyOf(pieces, size)) {
      left -= part.length;
      yield part;
    }
  })();
  const skip = async () => {
    for await (const _ of bodyOf(pieces, left));
    await pieces.exactly(tarPadding(size).length);
  };
  return { entry: { name, size, body }, skip };
}

/** Entries in order; the source ends with the iteration, also when that is left early. @throws TarError; what the source throws. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const pieces = new Pieces(source);
  try {
    for (;;) {
      const header = await pieces.exactly(blockBytes);
      if (header.every((byte) => byte === 0)) break;
      const { entry, skip } = entryOf(pieces, header);
      yield entry;
      await skip();
    }
    await pieces.exactly(tarEnd.length - blockBytes);
    await pieces.assertEnd();
  } finally {
    await pieces.close();
  }
}
