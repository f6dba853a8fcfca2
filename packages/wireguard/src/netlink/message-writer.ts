/**
 * Writes netlink messages: a header, a fixed part, then attributes that may hold attributes (spec tunnel.md 5.10).
 * Numbers are little-endian unless a method says so. One buffer, so that a message with keys can be wiped whole.
 */

/** The longest datagram of ours: an attribute's length has 16 bits. */
export const messageBytesMax = 65_536;

const nested = 0x8000;

export class MessageWriter {
  readonly #bytes = new Uint8Array(messageBytesMax);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** @throws RangeError when the datagram would pass messageBytesMax. */
  #room(length: number): number {
    const at = this.#at;
    if (at + length > messageBytesMax) throw new RangeError('netlink message too long');
    this.#at += length;
    return at;
  }

  u8(...values: readonly number[]): this {
    for (const value of values) this.#bytes[this.#room(1)] = value;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#room(2), value, true);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#room(4), value, true);
    return this;
  }

  bytes(data: Uint8Array): this {
    this.#bytes.set(data, this.#room(data.length));
    return this;
  }

  #pad(): void {
    while (this.#at % 4 !== 0) this.u8(0);
  }

  /** `nlmsghdr` with its length, around what `body` writes. */
  message(type: number, flags: number, seq: number, body: () => void): this {
    const start = this.#at;
    this.u32(0).u16(type).u16(flags).u32(seq).u32(0);
    body();
    this.#view.setUint32(start, this.#at - start, true);
    this.#pad();
    return this;
  }

  attribute(type: number, data: Uint8Array): this {
    this.u16(4 + data.length)
      .u16(type)
      .bytes(data);
    this.#pad();
    return this;
  }

  /** Ends in a zero byte. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, new TextEncoder().encode(`${text}\0`));
  }

  attributeU8(type: number, value: number): this {
    return this.attribute(type, Uint8Array.of(value));
  }

  attributeU16(type: number, value: number): this {
    return this.u16(6).u16(type).u16(value).u16(0);
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** Big-endian, as nf_tables counts. */
  attributeU32Be(type: number, value: number): this {
    this.u16(8).u16(type);
    this.#view.setUint32(this.#room(4), value, false);
    return this;
  }

  /** An attribute that holds what `body` writes. @throws RangeError when that is over 65,535 bytes. */
  nest(type: number, body: () => void): this {
    const start = this.#at;
    this.u16(0).u16(type | nested);
    body();
    const length = this.#at - start;
    if (length > 0xffff) throw new RangeError('netlink attribute too long');
    this.#view.setUint16(start, length, true);
    this.#pad();
    return this;
  }

  /** What was written, not a copy: valid until `wipe`. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Zeroes what was written and starts over. */
  wipe(): void {
    this.#bytes.fill(0, 0, this.#at);
    this.#at = 0;
  }
}
