/**
 * The stream of a copy (CP-1, CP-2), the same in both directions:
 *
 *     u32 length │ JSON record │ bytes, when it is a file    … and so on, then `end`
 *
 * The first record is the source itself under its base name (`photos`); what lies below follows depth first
 * (`photos/a`). A file's bytes (`size - offset` of them) are followed by `end` with its path and the SHA-256 of the
 * whole file; the last record of all is `end` with path '' and the SHA-256 over all files' bytes in order. The receiver
 * answers that one on the other stream, so both sides know that the sums agree.
 *
 * Where the source goes: into the target under its own name when the target is a directory, else it becomes the target.
 */
import { copyRecordSchema, type CopyRecord } from './open.ts';

export const copyLimits = {
  /** JSON of one record: two texts of 4,096 characters, each up to six bytes when escaped. */
  recordBytesMax: 64 * 1024,
  depthMax: 256,
  nameBytesMax: 255,
} as const;

/** The stream does not hold what it must; the message is safe for strangers. */
export class CopyStreamError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CopyStreamError';
  }
}

export type CopyItem = { kind: 'record'; record: CopyRecord } | { kind: 'bytes'; bytes: Uint8Array };

const lengthBytes = 4;
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeCopyRecord(record: CopyRecord): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(record));
  if (json.length > copyLimits.recordBytesMax) throw new CopyStreamError('a record is too long');
  const out = new Uint8Array(lengthBytes + json.length);
  new DataView(out.buffer).setUint32(0, json.length);
  out.set(json, lengthBytes);
  return out;
}

/**
 * Parts of a member's path. '' gives none: the target itself.
 * @throws CopyStreamError for absolute paths, `..`, `.`, empty parts and what is too deep or too long.
 */
export function memberParts(path: string): string[] {
  if (path === '') return [];
  const parts = path.split('/');
  const isBad = (part: string) => part === '' || part === '.' || part === '..' || part.includes('\0');
  if (parts.some(isBad)) throw new CopyStreamError('a member’s path leaves the target');
  if (parts.length > copyLimits.depthMax) throw new CopyStreamError('a member lies too deep');
  const isLong = (part: string) => new TextEncoder().encode(part).length > copyLimits.nameBytesMax;
  if (parts.some(isLong)) throw new CopyStreamError('a member’s name is too long');
  return parts;
}

function parseRecord(json: Uint8Array): CopyRecord {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(json));
  } catch {
    throw new CopyStreamError('a record is not JSON in UTF-8');
  }
  const parsed = copyRecordSchema.safeParse(value);
  if (!parsed.success) throw new CopyStreamError('a record is not valid');
  const record = parsed.data;
  if (record.type === 'file' && (record.size === undefined || (record.offset ?? 0) > record.size)) {
    throw new CopyStreamError('a file record tells no possible size');
  }
  if (record.type === 'symlink' && (record.link === undefined || record.link === '')) {
    throw new CopyStreamError('a link record has no target');
  }
  memberParts(record.path);
  return record;
}

/** Takes the stream apart, in pieces of any size. Holds at most one record. */
export class CopyRecordReader {
  /** Length and JSON of the record being read; as large as what is known of it. */
  #head = new Uint8Array(lengthBytes);
  #filled = 0;
  #bytesLeft = 0;

  /**
   * Items that `chunk` completes. Bytes are views of `chunk`.
   * @throws CopyStreamError; the reader is of no use after that.
   */
  *feed(chunk: Uint8Array): Generator<CopyItem> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#bytesLeft > 0) {
        const bytes = rest.subarray(0, Math.min(rest.length, this.#bytesLeft));
        this.#bytesLeft -= bytes.length;
        rest = rest.subarray(bytes.length);
        yield { kind: 'bytes', bytes };
        continue;
      }
      rest = this.#fillHead(rest);
      if (this.#filled < this.#head.length) continue;
      if (this.#head.length === lengthBytes) {
        this.#expectJson();
        continue;
      }
      const record = parseRecord(this.#head.subarray(lengthBytes));
      this.#head = new Uint8Array(lengthBytes);
      this.#filled = 0;
      if (record.type === 'file') this.#bytesLeft = (record.size ?? 0) - (record.offset ?? 0);
      yield { kind: 'record', record };
    }
  }

  /** True between records: where a stream may stop without having lost anything. */
  get atBoundary(): boolean {
    return this.#bytesLeft === 0 && this.#filled === 0;
  }

  #fillHead(rest: Uint8Array): Uint8Array {
    const taken = rest.subarray(0, this.#head.length - this.#filled);
    this.#head.set(taken, this.#filled);
    this.#filled += taken.length;
    return rest.subarray(taken.length);
  }

  /** The length is there: makes room for the JSON it announces. */
  #expectJson(): void {
    const length = new DataView(this.#head.buffer).getUint32(0);
    if (length === 0) throw new CopyStreamError('a record is empty');
    if (length > copyLimits.recordBytesMax) throw new CopyStreamError('a record is too long');
    const grown = new Uint8Array(lengthBytes + length);
    grown.set(this.#head);
    this.#head = grown;
  }
}
