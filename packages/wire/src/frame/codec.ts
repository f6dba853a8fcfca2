/**
 * Frames as bytes and back (HB-1, HB-2, fleet plane 5):
 *
 *     u8 type | u32 channel, big-endian | payload ≤ 65,536
 *
 * `decodeFrame` trusts nothing: whatever it accepts has the shape that its type says, and everything else is a
 * ProtocolError with the code the socket closes with. DATA points into the message, nothing is copied.
 */
import type { z } from 'zod';
import {
  type CloseReason,
  closeCodes,
  frameLimits,
  frameTypes,
  type SignalName,
  socketCloseCodes,
} from './frame-types.ts';
import type { StreamId } from './frame-types.ts';
import * as messages from './messages.ts';
import { signalSchema } from './open.ts';

const { headerBytes, payloadBytesMax, messageBytesMax, closeTextBytesMax } = frameLimits;
/** Type, channel and stream in front of DATA's bytes. */
export const dataHeadBytes = headerBytes + 1;

/** Bytes that are no frame. `code` closes the socket: 4400, or 1009 for one that is too big. */
export class ProtocolError extends Error {
  readonly code: number;
  constructor(message: string, code: number = socketCloseCodes.protocol) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
  }
}

/** Frames on channel 0. */
export type ControlFrame =
  | { type: 'hello'; channel: 0; body: messages.Hello }
  | { type: 'helloOk'; channel: 0; body: messages.HelloOk }
  /** Any u64; PONG gives the same one back. */
  | { type: 'ping' | 'pong'; channel: 0; value: bigint }
  | { type: 'msg'; channel: 0; body: messages.Msg }
  /** MSG of a kind that a later version knows: counted and ignored. */
  | { type: 'msgUnknown'; channel: 0; kind: string }
  | { type: 'goaway'; channel: 0; body: messages.Goaway }
  | { type: 'live'; channel: 0; ids: number[] };

/** Frames of one channel. The body of OPEN is judged by its receiver: a bad one ends the channel, not the socket. */
export type ChannelFrame =
  | { type: 'open'; channel: number; body: unknown }
  | { type: 'openOk'; channel: number; body: messages.OpenOk }
  | { type: 'resume'; channel: number; body: messages.Resume }
  | { type: 'resumeOk'; channel: number; body: messages.ResumeOk }
  | { type: 'data'; channel: number; stream: StreamId; bytes: Uint8Array }
  | { type: 'credit'; channel: number; stream: StreamId; count: number }
  | { type: 'eof'; channel: number; stream: StreamId }
  | { type: 'signal'; channel: number; name: SignalName }
  | { type: 'resize'; channel: number; cols: number; rows: number }
  | { type: 'exit'; channel: number; body: messages.Exit }
  | { type: 'close'; channel: number; reason: CloseReason; text: string };
export type Frame = ControlFrame | ChannelFrame;

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const closeReasons = new Map(Object.entries(closeCodes).map(([name, code]) => [code as number, name as CloseReason]));
/** Made with the first MSG: a short command gets none. */
let msgKinds: Set<string> | undefined;

/** A frame with its head, whose payload is still to be written. @throws ProtocolError 1009. */
function frameOf(type: number, channel: number, payloadBytes: number): Buffer {
  if (payloadBytes > payloadBytesMax) {
    throw new ProtocolError(`a payload of ${payloadBytes} bytes does not fit a frame`, socketCloseCodes.tooBig);
  }
  const message = Buffer.allocUnsafe(headerBytes + payloadBytes);
  message[0] = type;
  message.writeUInt32BE(channel, 1);
  return message;
}

function jsonFrame(type: number, channel: number, body: unknown): Buffer {
  const json = encoder.encode(JSON.stringify(body));
  const message = frameOf(type, channel, json.length);
  message.set(json, headerBytes);
  return message;
}

/** DATA with a copy of `bytes`; at most 65,535 of them. @throws ProtocolError 1009. */
export function encodeData(channel: number, stream: StreamId, bytes: Uint8Array): Buffer {
  const message = frameOf(frameTypes.data, channel, 1 + bytes.length);
  message[headerBytes] = stream;
  message.set(bytes, dataHeadBytes);
  return message;
}

/** Writes DATA's head into the first 6 bytes of `message`, whose bytes lie behind it already. */
export function writeDataHead(message: Uint8Array, channel: number, stream: StreamId): void {
  message[0] = frameTypes.data;
  rewriteChannel(message, channel);
  message[headerBytes] = stream;
}

/** Gives a whole frame another channel, in place: how a relay forwards what it does not need to read. */
export function rewriteChannel(message: Uint8Array, channel: number): void {
  message[1] = channel >>> 24;
  message[2] = channel >>> 16;
  message[3] = channel >>> 8;
  message[4] = channel;
}

/** CREDIT: `count` bytes of `stream` were consumed since the channel began. */
export function encodeCredit(channel: number, stream: StreamId, count: number): Buffer {
  const message = frameOf(frameTypes.credit, channel, 9);
  message[headerBytes] = stream;
  message.writeUInt32BE(Math.floor(count / 0x1_0000_0000), headerBytes + 1);
  message.writeUInt32BE(count >>> 0, headerBytes + 5);
  return message;
}

/** `text` cut to what CLOSE takes, never inside a character. */
export function closeText(whole: string): Uint8Array {
  const bytes = encoder.encode(whole);
  if (bytes.length <= closeTextBytesMax) return bytes;
  let end = closeTextBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

type SmallFrame = Extract<Frame, { type: 'ping' | 'pong' | 'live' | 'eof' | 'signal' | 'resize' | 'close' }>;

function encodeSmall(frame: SmallFrame): Buffer {
  const start = (payloadBytes: number) => frameOf(frameTypes[frame.type], frame.channel, payloadBytes);
  let message: Buffer;
  switch (frame.type) {
    case 'ping':
    case 'pong':
      message = start(8);
      message.writeBigUInt64BE(frame.value, headerBytes);
      return message;
    case 'live':
      message = start(4 * frame.ids.length);
      for (const [index, id] of frame.ids.entries()) message.writeUInt32BE(id, headerBytes + 4 * index);
      return message;
    case 'eof':
      message = start(1);
      message[headerBytes] = frame.stream;
      return message;
    case 'resize':
      message = start(4);
      message.writeUInt16BE(frame.cols, headerBytes);
      message.writeUInt16BE(frame.rows, headerBytes + 2);
      return message;
    case 'signal':
      message = start(frame.name.length);
      message.write(frame.name, headerBytes, 'latin1');
      return message;
    case 'close': {
      const shown = closeText(frame.text);
      message = start(2 + shown.length);
      message.writeUInt16BE(closeCodes[frame.reason], headerBytes);
      message.set(shown, headerBytes + 2);
      return message;
    }
  }
}

/** @throws ProtocolError 1009 when the payload would pass 65,536 bytes. */
export function encodeFrame(frame: Frame): Buffer {
  switch (frame.type) {
    case 'data':
      return encodeData(frame.channel, frame.stream, frame.bytes);
    case 'credit':
      return encodeCredit(frame.channel, frame.stream, frame.count);
    case 'msgUnknown':
      return jsonFrame(frameTypes.msg, 0, { kind: frame.kind });
    case 'hello':
    case 'helloOk':
    case 'msg':
    case 'goaway':
    case 'open':
    case 'openOk':
    case 'resume':
    case 'resumeOk':
    case 'exit':
      return jsonFrame(frameTypes[frame.type], frame.channel, frame.body);
    default:
      return encodeSmall(frame);
  }
}

const bad = (what: string): never => {
  throw new ProtocolError(what);
};

function decodeText(payload: Uint8Array, what: string): string {
  try {
    return text.decode(payload);
  } catch {
    return bad(`${what} is not UTF-8`);
  }
}

function decodeJson(payload: Uint8Array, what: string): unknown {
  const json = decodeText(payload, what);
  try {
    return JSON.parse(json);
  } catch {
    return bad(`${what} is not JSON`);
  }
}

/** JSON by its schema. The fault names the field, never its value: values may be secrets. */
function decodeBody<T extends z.ZodType>(schema: T, payload: Uint8Array, what: string): z.output<T> {
  const parsed = schema.safeParse(decodeJson(payload, what));
  return parsed.success ? parsed.data : bad(`${what}: ${firstFault(parsed.error)}`);
}

/** `argv.0: too long`: the first thing a schema found, without the value. */
export function firstFault(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = (issue?.path ?? []).map(String).join('.').slice(0, 100);
  return `${path === '' ? '' : `${path}: `}${(issue?.message ?? 'is not valid').slice(0, 200)}`;
}

/** A kind that this version does not know is no error: agents and labd differ by one version (HB-3). */
function decodeMsg(payload: Uint8Array): ControlFrame {
  const body = decodeJson(payload, 'MSG');
  const kind = typeof body === 'object' && body !== null && 'kind' in body ? body.kind : undefined;
  if (typeof kind !== 'string') return bad('MSG has no kind');
  msgKinds ??= new Set(messages.msgSchema.unwrap().options.map((option) => option.shape.kind.value));
  if (!msgKinds.has(kind)) return { type: 'msgUnknown', channel: 0, kind: kind.slice(0, 64) };
  const parsed = messages.msgSchema.safeParse(body);
  return parsed.success ? { type: 'msg', channel: 0, body: parsed.data } : bad(`MSG: ${firstFault(parsed.error)}`);
}

function decodeLive(message: Buffer): ControlFrame {
  const payloadBytes = message.length - headerBytes;
  if (payloadBytes % 4 !== 0) return bad('LIVE is cut inside an id');
  const ids: number[] = [];
  for (let at = headerBytes; at < message.length; at += 4) ids.push(message.readUInt32BE(at));
  return { type: 'live', channel: 0, ids };
}

function streamAt(message: Buffer): StreamId {
  const stream = message[headerBytes];
  return stream === 0 || stream === 1 || stream === 2 ? stream : bad('there is no such stream');
}

const exactly = (message: Buffer, payloadBytes: number, what: string): void => {
  if (message.length !== headerBytes + payloadBytes) bad(`${what} has another length than ${payloadBytes}`);
};

function decodeControl(type: number, message: Buffer): ControlFrame {
  const payload = message.subarray(headerBytes);
  switch (type) {
    case frameTypes.hello:
      return { type: 'hello', channel: 0, body: decodeBody(messages.helloSchema, payload, 'HELLO') };
    case frameTypes.helloOk:
      return { type: 'helloOk', channel: 0, body: decodeBody(messages.helloOkSchema, payload, 'HELLO_OK') };
    case frameTypes.ping:
    case frameTypes.pong:
      exactly(message, 8, 'PING or PONG');
      return {
        type: type === frameTypes.ping ? 'ping' : 'pong',
        channel: 0,
        value: message.readBigUInt64BE(headerBytes),
      };
    case frameTypes.msg:
      return decodeMsg(payload);
    case frameTypes.goaway:
      return { type: 'goaway', channel: 0, body: decodeBody(messages.goawaySchema, payload, 'GOAWAY') };
    default:
      return decodeLive(message);
  }
}

/** A u64 on the wire, but no stream gets past 2^53: a larger count is a lie. */
function decodeCredit(message: Buffer, channel: number): ChannelFrame {
  exactly(message, 9, 'CREDIT');
  const count = message.readUInt32BE(headerBytes + 1) * 0x1_0000_0000 + message.readUInt32BE(headerBytes + 5);
  if (!Number.isSafeInteger(count)) return bad('CREDIT counts past 2^53');
  return { type: 'credit', channel, stream: streamAt(message), count };
}

function decodeClose(message: Buffer, channel: number): ChannelFrame {
  if (message.length < headerBytes + 2) return bad('CLOSE has no code');
  if (message.length > headerBytes + 2 + closeTextBytesMax) return bad('the text of CLOSE is too long');
  const reason = closeReasons.get(message.readUInt16BE(headerBytes));
  if (reason === undefined) return bad('CLOSE has an unknown code');
  return { type: 'close', channel, reason, text: decodeText(message.subarray(headerBytes + 2), 'the text of CLOSE') };
}

function decodeResize(message: Buffer, channel: number): ChannelFrame {
  exactly(message, 4, 'RESIZE');
  const [cols, rows] = [message.readUInt16BE(headerBytes), message.readUInt16BE(headerBytes + 2)];
  return cols > 0 && rows > 0 ? { type: 'resize', channel, cols, rows } : bad('RESIZE to nothing');
}

/** Only names of the list, so that nobody has to think about SIGSTOP or signal 0 further on (EX-5). */
function decodeSignal(payload: Uint8Array, channel: number): ChannelFrame {
  const name = signalSchema.safeParse(payload.length > 16 ? '' : decodeText(payload, 'SIGNAL'));
  return name.success ? { type: 'signal', channel, name: name.data } : bad('SIGNAL names no signal that may be sent');
}

/** The JSON frames of a channel. OPEN stays unjudged: what it may ask for depends on who gets it. */
function decodeAnswer(type: number, channel: number, payload: Uint8Array): ChannelFrame {
  switch (type) {
    case frameTypes.open:
      return { type: 'open', channel, body: decodeJson(payload, 'OPEN') };
    case frameTypes.openOk:
      return { type: 'openOk', channel, body: decodeBody(messages.openOkSchema, payload, 'OPEN_OK') };
    case frameTypes.resume:
      return { type: 'resume', channel, body: decodeBody(messages.resumeSchema, payload, 'RESUME') };
    case frameTypes.resumeOk:
      return { type: 'resumeOk', channel, body: decodeBody(messages.resumeOkSchema, payload, 'RESUME_OK') };
    default:
      return { type: 'exit', channel, body: decodeBody(messages.exitSchema, payload, 'EXIT') };
  }
}

function decodeChannel(type: number, channel: number, message: Buffer): ChannelFrame {
  switch (type) {
    case frameTypes.data:
      if (message.length <= dataHeadBytes) return bad('DATA without bytes');
      return { type: 'data', channel, stream: streamAt(message), bytes: message.subarray(dataHeadBytes) };
    case frameTypes.credit:
      return decodeCredit(message, channel);
    case frameTypes.eof:
      exactly(message, 1, 'EOF');
      return { type: 'eof', channel, stream: streamAt(message) };
    case frameTypes.signal:
      return decodeSignal(message.subarray(headerBytes), channel);
    case frameTypes.resize:
      return decodeResize(message, channel);
    case frameTypes.close:
      return decodeClose(message, channel);
    default:
      return decodeAnswer(type, channel, message.subarray(headerBytes));
  }
}

const isControl = (type: number): boolean => type >= frameTypes.hello && type <= frameTypes.live;
const isChannel = (type: number): boolean =>
  (type >= frameTypes.open && type <= frameTypes.resumeOk) || (type >= frameTypes.data && type <= frameTypes.close);

/**
 * One WebSocket message as a frame; undefined for a type from 0x80, which a later version may send.
 * @throws ProtocolError for everything else that is no frame.
 */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length < headerBytes) return bad('shorter than a frame');
  if (bytes.length > messageBytesMax) throw new ProtocolError('larger than a frame', socketCloseCodes.tooBig);
  const message = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = message.readUInt8(0);
  if (type >= 0x80) return undefined;
  const channel = message.readUInt32BE(1);
  if (isControl(type)) return channel === 0 ? decodeControl(type, message) : bad('a control frame outside channel 0');
  if (isChannel(type))
    return channel === 0 ? bad('a channel frame on channel 0') : decodeChannel(type, channel, message);
  return bad(`there is no frame type ${type}`);
}
