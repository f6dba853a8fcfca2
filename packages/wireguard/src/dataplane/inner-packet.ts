/**
 * The packet inside a data message, read before it goes anywhere (spec tunnel.md I11, 5.9): TCP of the tunnel's own
 * family, whole, without IP options or extension headers. Everything else is refused, since nothing else is spoken here.
 */
import { type AddressKey, keyOfV4, keyOfV6 } from './ip-address.ts';

const tcp = 6;
const tcpHeaderBytes = 20;
const v4HeaderBytes = 20;
const v6HeaderBytes = 40;
const syn = 0x02;
const ack = 0x10;

/** One reader is used for every packet; its fields are those of the last one read. */
export class InnerPacket {
  readonly #family: 4 | 6;
  /** Length by the IP header; what stands behind it is padding. */
  length = 0;
  source: AddressKey = 0;
  destination: AddressKey = 0;
  destinationPort = 0;
  /** A segment that asks for a new connection. */
  opensConnection = false;

  constructor(family: 4 | 6) {
    this.#family = family;
  }

  /** Reads the packet at `buffer[start, start + length)`. False: not one that may pass; the fields mean nothing then. */
  read(buffer: Uint8Array, start: number, length: number): boolean {
    return this.#family === 4 ? this.#readV4(buffer, start, length) : this.#readV6(buffer, start, length);
  }

  #readV4(buffer: Uint8Array, start: number, length: number): boolean {
    // Version 4 and a header of five words.
    if (length < v4HeaderBytes + tcpHeaderBytes || buffer[start] !== 0x45 || buffer[start + 9] !== tcp) return false;
    const total = pair(buffer, start + 2);
    if (total > length || total < v4HeaderBytes + tcpHeaderBytes) return false;
    // More fragments, or an offset: a fragment could carry ports other than those that were checked.
    if ((pair(buffer, start + 6) & 0x3fff) !== 0) return false;
    this.source = keyOfV4(buffer, start + 12);
    this.destination = keyOfV4(buffer, start + 16);
    return this.#readTcp(buffer, start + v4HeaderBytes, total);
  }

  #readV6(buffer: Uint8Array, start: number, length: number): boolean {
    if (length < v6HeaderBytes + tcpHeaderBytes || (buffer[start] ?? 0) >> 4 !== 6) return false;
    if (buffer[start + 6] !== tcp) return false;
    const total = v6HeaderBytes + pair(buffer, start + 4);
    if (total > length || total < v6HeaderBytes + tcpHeaderBytes) return false;
    this.source = keyOfV6(buffer, start + 8);
    this.destination = keyOfV6(buffer, start + 24);
    return this.#readTcp(buffer, start + v6HeaderBytes, total);
  }

  #readTcp(buffer: Uint8Array, at: number, total: number): boolean {
    this.length = total;
    this.destinationPort = pair(buffer, at + 2);
    this.opensConnection = ((buffer[at + 13] ?? 0) & (syn | ack)) === syn;
    return true;
  }
}

function pair(buffer: Uint8Array, at: number): number {
  return ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
}
