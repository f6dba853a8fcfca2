/** Sizes and offsets of WireGuard's four messages (spec tunnel.md 5.7). Numbers in bytes; integers little-endian. */

export const messageType = { initiation: 1, response: 2, cookieReply: 3, data: 4 } as const;

export const initiationBytes = 148;
export const responseBytes = 92;
export const cookieReplyBytes = 64;
/** Header and tag: an empty packet, which is a keepalive. */
export const dataBytesMin = 32;
export const dataHeaderBytes = 16;

export type MessageKind = keyof typeof messageType;

/** The kind of a datagram by type, reserved zeros and length; undefined: none of ours. Reads nothing out of bounds. */
export function messageKind(datagram: Uint8Array): MessageKind | undefined {
  if (datagram.length < dataBytesMin) return undefined;
  if (datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return undefined;
  switch (datagram[0]) {
    case messageType.data:
      return 'data';
    case messageType.initiation:
      return datagram.length === initiationBytes ? 'initiation' : undefined;
    case messageType.response:
      return datagram.length === responseBytes ? 'response' : undefined;
    case messageType.cookieReply:
      return datagram.length === cookieReplyBytes ? 'cookieReply' : undefined;
    default:
      return undefined;
  }
}

export function readIndex(message: Uint8Array, at: number): number {
  const [a, b, c, d] = [message[at] ?? 0, message[at + 1] ?? 0, message[at + 2] ?? 0, message[at + 3] ?? 0];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

export function writeIndex(message: Uint8Array, at: number, index: number): void {
  message[at] = index & 0xff;
  message[at + 1] = (index >>> 8) & 0xff;
  message[at + 2] = (index >>> 16) & 0xff;
  message[at + 3] = index >>> 24;
}
