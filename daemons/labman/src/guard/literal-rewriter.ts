const empty = new Uint8Array(0);

/**
 * Replaces a JSON string, quotes included, in bytes that come in pieces. Inside another string its quotes would be
 * escaped, so only whole values are met. At most the length of the literal is held back between pieces.
 */
export class LiteralRewriter {
  readonly #from: Buffer;
  readonly #to: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(from: string, to: string) {
    this.#from = Buffer.from(JSON.stringify(from));
    this.#to = Buffer.from(JSON.stringify(to));
  }

  push(bytes: Uint8Array): Uint8Array {
    const data =
      this.#held.length === 0
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        : Buffer.concat([this.#held, bytes]);
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = data.indexOf(this.#from); at >= 0; at = data.indexOf(this.#from, from)) {
      parts.push(data.subarray(from, at), this.#to);
      from = at + this.#from.length;
    }
    const keep = this.#beginning(data.subarray(from));
    // A copy: the piece's memory is the socket's again after this call.
    this.#held = Buffer.from(data.subarray(data.length - keep));
    parts.push(data.subarray(from, data.length - keep));
    return parts.length === 1 ? (parts[0] ?? empty) : Buffer.concat(parts);
  }

  flush(): Uint8Array {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    return held;
  }

  /** How many of the last bytes could be the literal's beginning. */
  #beginning(data: Buffer): number {
    for (let size = Math.min(data.length, this.#from.length - 1); size > 0; size--) {
      if (data.subarray(data.length - size).equals(this.#from.subarray(0, size))) return size;
    }
    return 0;
  }
}
