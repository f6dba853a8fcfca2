/** Takes netlink datagrams apart. Whatever does not fit its own lengths is left out: the kernel sends no such thing. */

export type NetlinkMessage = { type: number; flags: number; seq: number; payload: Uint8Array };
export type Attribute = { type: number; data: Uint8Array };

const headerBytes = 16;
const typeMask = 0x3fff;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const aligned = (length: number) => (length + 3) & ~3;

/** The messages of one datagram; payloads are views of it. */
export function readMessages(datagram: Uint8Array): NetlinkMessage[] {
  const view = viewOf(datagram);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + headerBytes <= datagram.length;) {
    const length = view.getUint32(at, true);
    if (length < headerBytes || at + length > datagram.length) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      seq: view.getUint32(at + 8, true),
      payload: datagram.subarray(at + headerBytes, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** The attributes from `offset` on, in order, views of the bytes. Flags of the type (nested, byte order) are taken off. */
export function readAttributes(bytes: Uint8Array, offset = 0): Attribute[] {
  const view = viewOf(bytes);
  const attributes: Attribute[] = [];
  for (let at = offset; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    attributes.push({ type: view.getUint16(at + 2, true) & typeMask, data: bytes.subarray(at + 4, at + length) });
    at += aligned(length);
  }
  return attributes;
}

export function attributeOf(attributes: readonly Attribute[], type: number): Uint8Array | undefined {
  return attributes.find((one) => one.type === type)?.data;
}

/** Little-endian numbers of a fixed place; 0 where the bytes end before. */
export function numberAt(bytes: Uint8Array | undefined, at: number, size: 1 | 2 | 4 | 8): number {
  if (bytes === undefined || bytes.length < at + size) return 0;
  const view = viewOf(bytes);
  if (size === 1) return view.getUint8(at);
  if (size === 2) return view.getUint16(at, true);
  return size === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

/** Signed, as interface numbers and times are. */
export function signedAt(bytes: Uint8Array | undefined, at: number, size: 4 | 8): number {
  if (bytes === undefined || bytes.length < at + size) return 0;
  const view = viewOf(bytes);
  return size === 4 ? view.getInt32(at, true) : Number(view.getBigInt64(at, true));
}

/** Up to the first zero byte. */
export function textOf(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
