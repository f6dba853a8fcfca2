/**
 * A strict reader for DER (X.690): definite and shortest lengths, one-byte tags, nothing after the end. It reads
 * hostile certificates and requests, so it looks at bytes only where it is told to and can fail in one way: DerError.
 */

/** Largest thing read: a certificate or a request is far smaller. */
export const derBytesMax = 64 * 1024;

export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Tags used here. Context tags are `0xa0 + n` (constructed) and `0x80 + n` (primitive). */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const digits = (text: string, at: number, count: number): number => Number(text.slice(at, at + count));

/** Unix ms of `YYYYMMDDHHMMSSZ`; DER knows no fractions and no offsets here (RFC 5280, 4.1.2.5). */
function readTime(text: string): number {
  if (!/^\d{14}Z$/.test(text)) throw new DerError('not a time');
  const ms = Date.UTC(
    digits(text, 0, 4),
    digits(text, 4, 2) - 1,
    digits(text, 6, 2),
    digits(text, 8, 2),
    digits(text, 10, 2),
    digits(text, 12, 2),
  );
  // A 31 February would be moved into March silently.
  if (new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '') !== text) throw new DerError('no such time');
  return ms;
}

/** Reads the elements of one constructed value from left to right. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #from: number;
  readonly #to: number;
  #at: number;

  private constructor(bytes: Uint8Array, start: number, from: number, to: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#from = from;
    this.#to = to;
    this.#at = from;
  }

  /** Over the elements in `bytes`. @throws DerError when it is too large. */
  static of(bytes: Uint8Array): DerReader {
    if (bytes.length > derBytesMax) throw new DerError('too large');
    return new DerReader(bytes, 0, 0, bytes.length);
  }

  get isDone(): boolean {
    return this.#at === this.#to;
  }
  /** Tag of the next element; -1 at the end. */
  get nextTag(): number {
    return this.isDone ? -1 : this.#byte(this.#at);
  }
  /** The content, without tag and length. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.#from, this.#to);
  }
  /** The element as it stands, with tag and length. */
  get whole(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#to);
  }

  #byte(at: number): number {
    const value = at < this.#to ? this.#bytes[at] : undefined;
    if (value === undefined) throw new DerError('cut short');
    return value;
  }

  /** The next element, which must have tag `expected`. */
  read(expected: number): DerReader {
    const start = this.#at;
    if (this.#byte(start) !== expected) throw new DerError('another tag');
    const first = this.#byte(start + 1);
    let [length, from] = [first, start + 2];
    if (first >= 0x80) {
      const count = first & 0x7f;
      // Two bytes of length are enough below derBytesMax; 0x80 is the indefinite form.
      if (count === 0 || count > 3) throw new DerError('a length that is not DER');
      length = 0;
      for (let index = 0; index < count; index++) length = length * 256 + this.#byte(from + index);
      from += count;
      const isShortest = length >= 0x80 && length >= 256 ** (count - 1);
      if (!isShortest) throw new DerError('a length that is not the shortest');
    }
    if (from + length > this.#to) throw new DerError('cut short');
    this.#at = from + length;
    return new DerReader(this.#bytes, start, from, from + length);
  }

  /** The next element if it has this tag. */
  optional(expected: number): DerReader | undefined {
    return this.nextTag === expected ? this.read(expected) : undefined;
  }

  /** @throws DerError when something is left. */
  end(): void {
    if (!this.isDone) throw new DerError('more than expected');
  }

  /** Object identifier in dotted form, at most 64 bytes. */
  oid(): string {
    const bytes = this.read(tag.oid).content;
    if (bytes.length === 0 || bytes.length > 64) throw new DerError('not an object identifier');
    const arcs: number[] = [];
    let arc = 0;
    bytes.forEach((byte, index) => {
      if (arc === 0 && byte === 0x80) throw new DerError('an arc that is not the shortest');
      arc = arc * 128 + (byte & 0x7f);
      if (arc > 2 ** 32) throw new DerError('an arc that is too large');
      if (byte >= 0x80) {
        if (index === bytes.length - 1) throw new DerError('cut short');
        return;
      }
      if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)));
      else arcs.push(arc);
      arc = 0;
    });
    return arcs.join('.');
  }

  boolean(): boolean {
    const { content } = this.read(tag.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('not a boolean');
    return content[0] === 0xff;
  }

  /** A positive integer of at most 20 bytes, as lower-case hex without the sign byte. */
  positiveHex(): string {
    const { content } = this.read(tag.integer);
    const [first, second] = content;
    if (first === undefined || content.length > 21 || first >= 0x80) throw new DerError('not a positive integer');
    if (first !== 0) return Buffer.from(content).toString('hex');
    if (second === undefined) return '00';
    if (second < 0x80) throw new DerError('an integer that is not the shortest');
    return Buffer.from(content.subarray(1)).toString('hex');
  }

  /** A small integer, below 2^24. */
  smallInteger(): number {
    const hex = this.positiveHex();
    if (hex.length > 6) throw new DerError('an integer that is too large');
    return Number.parseInt(hex, 16);
  }

  /** Bytes of a bit string without unused bits (keys, signatures). */
  bitString(): Uint8Array {
    const { content } = this.read(tag.bitString);
    if (content[0] !== 0) throw new DerError('unused bits');
    return content.subarray(1);
  }

  /** Unix ms. */
  time(): number {
    const [isShort, name] = [this.nextTag === tag.utcTime, 'latin1'] as const;
    const text = Buffer.from(this.read(isShort ? tag.utcTime : tag.generalizedTime).content).toString(name);
    if (!isShort) return readTime(text);
    return readTime(`${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}`);
  }
}
