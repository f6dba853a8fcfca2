import { addressBytes } from '../ip-address.ts';

export const flag = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const;

export type TcpPacket = {
  source: string;
  destination: string;
  sourcePort?: number;
  destinationPort: number;
  flags?: number;
  payload?: Uint8Array;
};

/** An IP packet with a TCP segment, without checksums: nothing here looks at them. */
export function tcpPacket(packet: TcpPacket): Uint8Array {
  const [source, destination] = [addressBytes(packet.source), addressBytes(packet.destination)];
  const payload = packet.payload ?? new Uint8Array(0);
  const v4 = source.length === 4;
  const ip = v4 ? 20 : 40;
  const bytes = new Uint8Array(ip + 20 + payload.length);
  const view = new DataView(bytes.buffer);
  if (v4) {
    bytes[0] = 0x45;
    view.setUint16(2, bytes.length);
    view.setUint16(6, 0x4000); // don't fragment
    [bytes[8], bytes[9]] = [64, 6];
    bytes.set(source, 12);
    bytes.set(destination, 16);
  } else {
    bytes[0] = 0x60;
    view.setUint16(4, 20 + payload.length);
    [bytes[6], bytes[7]] = [6, 64];
    bytes.set(source, 8);
    bytes.set(destination, 24);
  }
  view.setUint16(ip, packet.sourcePort ?? 40_000);
  view.setUint16(ip + 2, packet.destinationPort);
  bytes[ip + 12] = 5 << 4;
  bytes[ip + 13] = packet.flags ?? flag.ack;
  bytes.set(payload, ip + 20);
  return bytes;
}
