/**
 * Reads the head of a GGUF model file: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 *     'GGUF' | u32 version | u64 tensors | u64 entries | entries × (string key, u32 type, value) | …tensors
 *
 * The file comes from outside: each length is checked against a named bound and against the file's size before anything
 * is read, so a hostile file costs a bounded read and an error, never memory. Only scalars and strings are kept; arrays
 * (vocabularies) are walked over.
 */
import { open } from 'node:fs/promises';

export const ggufLimits = {
  entriesMax: 65_536,
  tensorsMax: 1_000_000,
  keyBytesMax: 65_535,
  stringBytesMax: 4 * 1024 * 1024,
  arrayItemsMax: 16 * 1024 * 1024,
  /** Arrays inside arrays. */
  depthMax: 4,
  /** The head as a whole. A vocabulary of 256 k words with merges is about 16 MiB. */
  headBytesMax: 256 * 1024 * 1024,
};

export type GgufValue = string | number | bigint | boolean;

export type GgufHead = {
  version: number;
  tensorCount: number;
  /** Scalars and strings by key, as far as `wanted` made the reader go. */
  metadata: ReadonlyMap<string, GgufValue>;
};

/** Gives `length` bytes from `offset`; the reader never asks past `fileBytes`. */
export type GgufSource = { fileBytes: number; read(offset: number, length: number): Promise<Uint8Array> };

/** What is wrong with the file, in words for its owner. Holds no path. */
export class GgufError extends Error {
  override readonly name = 'GgufError';
}

// Value types by number: bytes each, or undefined for string (8) and array (9).
const scalarBytes: ReadonlyArray<number | undefined> = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const stringType = 8;
const arrayType = 9;
const windowBytes = 64 * 1024;

/** A window that moves over the file, so that small reads cost no system call. */
class Cursor {
  #source: GgufSource;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;
  #at = 0;

  constructor(source: GgufSource) {
    this.#source = source;
  }

  skip(bytes: number): void {
    if (this.#at + bytes > this.#source.fileBytes) throw new GgufError('the file ends in the middle of its head');
    this.#at += bytes;
    if (this.#at > ggufLimits.headBytesMax) throw new GgufError('the head of the file is too large');
  }

  async take(bytes: number): Promise<DataView> {
    const from = this.#at;
    this.skip(bytes);
    if (from < this.#windowAt || this.#at > this.#windowAt + this.#window.byteLength) {
      const length = Math.min(Math.max(bytes, windowBytes), this.#source.fileBytes - from);
      this.#window = await this.#source.read(from, length);
      this.#windowAt = from;
      if (this.#window.byteLength < bytes) throw new GgufError('the file became shorter while it was read');
    }
    return new DataView(this.#window.buffer, this.#window.byteOffset + from - this.#windowAt, bytes);
  }

  async u32(): Promise<number> {
    return (await this.take(4)).getUint32(0, true);
  }

  /** A u64 that counts something: refused above `max`. */
  async count(max: number, what: string): Promise<number> {
    const value = (await this.take(8)).getBigUint64(0, true);
    if (value > BigInt(max)) throw new GgufError(`the file claims ${value} ${what}, more than ${max}`);
    return Number(value);
  }

  async text(bytesMax: number, what: string): Promise<string> {
    const view = await this.take(await this.count(bytesMax, `bytes of ${what}`));
    return new TextDecoder().decode(view);
  }
}

function readScalar(view: DataView, type: number): GgufValue {
  switch (type) {
    case 0:
      return view.getUint8(0);
    case 1:
      return view.getInt8(0);
    case 2:
      return view.getUint16(0, true);
    case 3:
      return view.getInt16(0, true);
    case 4:
      return view.getUint32(0, true);
    case 5:
      return view.getInt32(0, true);
    case 6:
      return view.getFloat32(0, true);
    case 7:
      return view.getUint8(0) !== 0;
    case 10:
      return view.getBigUint64(0, true);
    case 11:
      return view.getBigInt64(0, true);
    default:
      return view.getFloat64(0, true);
  }
}

async function skipArray(cursor: Cursor, depth: number): Promise<void> {
  if (depth > ggufLimits.depthMax) throw new GgufError('arrays are nested too deep');
  const type = await cursor.u32();
  const items = await cursor.count(ggufLimits.arrayItemsMax, 'items of an array');
  const bytes = scalarBytes[type];
  if (bytes !== undefined) return cursor.skip(bytes * items);
  if (type !== stringType && type !== arrayType) throw new GgufError(`unknown value type ${type}`);
  for (let item = 0; item < items; item++) {
    if (type === arrayType) await skipArray(cursor, depth + 1);
    else cursor.skip(await cursor.count(ggufLimits.stringBytesMax, 'bytes of a string'));
  }
}

async function readValue(cursor: Cursor): Promise<GgufValue | undefined> {
  const type = await cursor.u32();
  if (type === stringType) return cursor.text(ggufLimits.stringBytesMax, 'a string');
  if (type === arrayType) {
    await skipArray(cursor, 1);
    return undefined;
  }
  const bytes = scalarBytes[type];
  if (bytes === undefined) throw new GgufError(`unknown value type ${type}`);
  return readScalar(await cursor.take(bytes), type);
}

async function readVersion(cursor: Cursor): Promise<number> {
  const version = await cursor.u32();
  if (version === 2 || version === 3) return version;
  // A big-endian file shows its small version number in the upper half.
  if ((version & 0xffff) === 0) throw new GgufError('a big-endian GGUF file; this machine needs a little-endian one');
  throw new GgufError(`GGUF version ${version}; versions 2 and 3 can be read`);
}

/**
 * Reads metadata until every key that `wanted` names was seen, or to the end of the head.
 * @throws GgufError when the file is not GGUF, is cut short, or passes a limit.
 */
export async function readGgufHead(
  source: GgufSource,
  wanted?: (seen: Map<string, GgufValue>) => boolean,
): Promise<GgufHead> {
  if (source.fileBytes < 24) throw new GgufError(`the file has ${source.fileBytes} bytes, too few for a GGUF head`);
  const cursor = new Cursor(source);
  const magic = new TextDecoder('latin1').decode(await cursor.take(4));
  if (magic !== 'GGUF') throw new GgufError("the file does not begin with 'GGUF'");
  const version = await readVersion(cursor);
  const tensorCount = await cursor.count(ggufLimits.tensorsMax, 'tensors');
  const entries = await cursor.count(ggufLimits.entriesMax, 'metadata entries');
  const metadata = new Map<string, GgufValue>();
  for (let entry = 0; entry < entries; entry++) {
    const key = await cursor.text(ggufLimits.keyBytesMax, 'a key');
    const value = await readValue(cursor);
    if (value !== undefined) metadata.set(key, value);
    if (wanted?.(metadata)) break;
  }
  return { version, tensorCount, metadata };
}

/** A GgufSource over bytes in memory. */
export function bytesSource(bytes: Uint8Array): GgufSource {
  return { fileBytes: bytes.byteLength, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Opens `path` for `use`, then closes it. Rejects with the file system's error when it cannot be opened. */
export async function withGgufFile<T>(path: string, use: (source: GgufSource) => Promise<T>): Promise<T> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  return await use({
    fileBytes: size,
    read: async (offset, length) => {
      const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
  });
}
