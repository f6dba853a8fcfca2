/** Frames as a client writes them, right or wrong, and what a server's frames say. */

export type ClientFrame = {
  opcode: number;
  payload?: Uint8Array | string;
  /** Set unless told. */
  fin?: boolean;
  masked?: boolean;
  rsv?: number;
};

const mask = Buffer.from([0x12, 0x34, 0x56, 0x78]);

export function clientFrame({ opcode, payload = '', fin = true, masked = true, rsv = 0 }: ClientFrame): Buffer {
  const body = Buffer.from(payload as string);
  const size =
    body.length < 126
      ? Buffer.from([body.length])
      : body.length <= 0xffff
        ? Buffer.from([126, body.length >> 8, body.length & 255])
        : Buffer.concat([Buffer.from([127, 0, 0, 0, 0]), uint32(body.length)]);
  size[0] = (size[0] ?? 0) | (masked ? 0x80 : 0);
  const first = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode]);
  const veiled = masked ? body.map((byte, at) => byte ^ (mask[at & 3] ?? 0)) : body;
  return Buffer.concat([first, size, ...(masked ? [mask] : []), veiled]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Whole frames of a server, in order; `close` frames as their code. */
export function serverFrames(bytes: Buffer): Array<{ opcode: number; text: string; code?: number }> {
  const found: Array<{ opcode: number; text: string; code?: number }> = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const opcode = (bytes[at] ?? 0) & 15;
    const short = bytes[at + 1] ?? 0;
    const head = short === 127 ? 10 : short === 126 ? 4 : 2;
    const length =
      short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short === 126 ? bytes.readUInt16BE(at + 2) : short;
    const payload = bytes.subarray(at + head, at + head + length);
    if (opcode === 8) found.push({ opcode, text: payload.toString('utf8', 2), code: payload.readUInt16BE(0) });
    else found.push({ opcode, text: payload.toString() });
    at += head + length;
  }
  return found;
}
