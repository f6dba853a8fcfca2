/**
 * Frames of a WebSocket as a server reads and writes them (RFC 6455 §5), strictly: what a client may not send ends the
 * connection with the code that says why. Texts alone are taken; they may come in fragments, with pings between them.
 */
import { socketCodes } from './message-socket.ts';

const opcodes = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const controlBytesMost = 125;
const empty = Buffer.alloc(0);

export type FrameSink = {
  /** Of a text that is not whole yet, were it empty: many of those cost work and make no message. */
  onFragment(): void;
  onText(text: string): void;
  onPing(payload: Buffer): void;
  onPong(): void;
  /** The client says goodbye: with this code it is answered. */
  onGoodbye(code: number): void;
  onProblem(code: number, reason: string): void;
};

type Frame = { opcode: number; isLast: boolean; payload: Buffer; bytes: number };
type Problem = { code: number; reason: string };
const protocol = (reason: string): Problem => ({ code: socketCodes.protocol, reason });

/** A frame of the server: whole, not masked. */
function frame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = length <= controlBytesMost ? 2 : length <= 0xffff ? 4 : 10;
  const bytes = Buffer.allocUnsafe(head + length);
  bytes[0] = 0x80 | opcode;
  bytes[1] = head === 2 ? length : head === 4 ? 126 : 127;
  if (head === 4) bytes.writeUInt16BE(length, 2);
  if (head === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  bytes.set(payload, head);
  return bytes;
}

export const textFrame = (text: string): Buffer => frame(opcodes.text, Buffer.from(text));
export const pingFrame = (): Buffer => frame(opcodes.ping, empty);
export const pongFrame = (payload: Buffer): Buffer => frame(opcodes.pong, payload);

/** @param reason at most 123 bytes are sent of it */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason.slice(0, 40));
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  payload.set(text, 2);
  return frame(opcodes.close, payload);
}

/** Codes that an endpoint may send (§7.4). */
const maySend = (code: number) =>
  (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);

/** A client's masked payload, as it was. */
function unmasked(bytes: Buffer, from: number, length: number): Buffer {
  const payload = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++) {
    payload[at] = (bytes[from + 4 + at] ?? 0) ^ (bytes[from + (at & 3)] ?? 0);
  }
  return payload;
}

export class SocketFrames {
  readonly #bytesMost: number;
  readonly #sink: FrameSink;
  #held: Buffer = empty;
  /** Fragments of the message that is not whole yet; undefined between messages. */
  #fragments: Buffer[] | undefined;
  #fragmentBytes = 0;
  #isOver = false;

  /** @param messageBytesMost of one text, over all of its fragments */
  constructor(messageBytesMost: number, sink: FrameSink) {
    this.#bytesMost = messageBytesMost;
    this.#sink = sink;
  }

  /** Nothing is read after a goodbye or a problem. */
  push(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    while (!this.#isOver && this.#held.length >= 2) {
      const found = this.#next(this.#held);
      if (found === undefined) break;
      if ('code' in found) return this.#fail(found);
      this.#held = this.#held.subarray(found.bytes);
      this.#take(found);
    }
    // A copy: a few bytes must not keep the whole read alive.
    if (this.#held.length > 0) this.#held = Buffer.from(this.#held);
  }

  #fail({ code, reason }: Problem): void {
    this.end();
    this.#sink.onProblem(code, reason);
  }

  /** Nothing more is read. */
  end(): void {
    this.#isOver = true;
    this.#held = empty;
    this.#fragments = undefined;
  }

  /** The first frame; undefined while it is not whole. Its size is judged by its head, before any of it is kept. */
  #next(bytes: Buffer): Frame | Problem | undefined {
    const [first = 0, second = 0] = bytes;
    const opcode = first & 0x0f;
    const isLast = (first & 0x80) !== 0;
    const isControl = opcode >= opcodes.close;
    const short = second & 0x7f;
    if ((first & 0x70) !== 0) return protocol('reserved bits');
    if ((second & 0x80) === 0) return protocol('not masked');
    if (isControl && (!isLast || short > controlBytesMost)) return protocol('a control frame is short and whole');
    const sizeBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    if (bytes.length < 2 + sizeBytes) return undefined;
    const length = sizeBytes === 8 ? Number(bytes.readBigUInt64BE(2)) : sizeBytes === 2 ? bytes.readUInt16BE(2) : short;
    if (sizeBytes > 0 && length < (sizeBytes === 2 ? 126 : 0x10000)) return protocol('a length that is too long');
    if (!isControl && length + this.#fragmentBytes > this.#bytesMost) {
      return { code: socketCodes.tooLarge, reason: `at most ${this.#bytesMost} bytes` };
    }
    const mask = 2 + sizeBytes;
    if (bytes.length < mask + 4 + length) return undefined;
    return { opcode, isLast, payload: unmasked(bytes, mask, length), bytes: mask + 4 + length };
  }

  #take({ opcode, isLast, payload }: Frame): void {
    switch (opcode) {
      case opcodes.ping:
        return this.#sink.onPing(payload);
      case opcodes.pong:
        return this.#sink.onPong();
      case opcodes.close:
        return this.#goodbye(payload);
      case opcodes.binary:
        return this.#fail({ code: socketCodes.unsupported, reason: 'texts only' });
      case opcodes.text:
      case opcodes.more:
        return this.#fragment(opcode === opcodes.text, isLast, payload);
      default:
        return this.#fail(protocol('a frame of no known kind'));
    }
  }

  #goodbye(payload: Buffer): void {
    const code = payload.length === 0 ? socketCodes.normal : payload.length === 1 ? 0 : payload.readUInt16BE(0);
    if (!maySend(code)) return this.#fail(protocol('a goodbye without a code'));
    if (textOf([payload.subarray(2)]) === undefined) return this.#fail(protocol('a goodbye that is no text'));
    this.end();
    this.#sink.onGoodbye(code);
  }

  #fragment(isFirst: boolean, isLast: boolean, payload: Buffer): void {
    if (isFirst !== (this.#fragments === undefined)) return this.#fail(protocol('a fragment out of its place'));
    const fragments = (this.#fragments ??= []);
    // Empty ones are nothing to keep, however many come.
    if (payload.length > 0) fragments.push(payload);
    this.#fragmentBytes += payload.length;
    if (!isLast) return this.#sink.onFragment();
    this.#fragments = undefined;
    this.#fragmentBytes = 0;
    const text = textOf(fragments);
    if (text === undefined) return this.#fail({ code: socketCodes.badText, reason: 'not UTF-8' });
    this.#sink.onText(text);
  }
}

/** undefined when it is not UTF-8. */
function textOf(parts: readonly Buffer[]): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch {
    return undefined;
  }
}
