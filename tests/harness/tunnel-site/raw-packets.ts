/** IPv4 packets with TCP or UDP in them, made and read by hand. */
import { addressBytes } from '@labmesh/wireguard/dataplane/ip-address';

const ipBytes = 20;
const protocols = { icmp: 1, tcp: 6, udp: 17 };

function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function ipPacket(protocol: number, source: string, target: string, inner: Uint8Array): Uint8Array {
  const packet = new Uint8Array(ipBytes + inner.length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x45;
  view.setUint16(2, packet.length);
  packet[8] = 64;
  packet[9] = protocol;
  packet.set(addressBytes(source), 12);
  packet.set(addressBytes(target), 16);
  view.setUint16(10, checksum(packet.subarray(0, ipBytes)));
  packet.set(inner, ipBytes);
  return packet;
}

/** @param flags SYN alone if not given. */
export function tcpSyn(source: string, target: string, from: number, to: number, flags = 0x02): Uint8Array {
  const segment = new Uint8Array(20);
  const view = new DataView(segment.buffer);
  view.setUint16(0, from);
  view.setUint16(2, to);
  view.setUint32(4, 0x1234_5678);
  segment[12] = 5 << 4;
  segment[13] = flags;
  view.setUint16(14, 64_240);
  const pseudo = Uint8Array.of(...addressBytes(source), ...addressBytes(target), 0, protocols.tcp, 0, segment.length);
  view.setUint16(16, checksum(pseudo, segment));
  return ipPacket(protocols.tcp, source, target, segment);
}

export function udpDatagram(source: string, target: string, from: number, to: number): Uint8Array {
  const datagram = new Uint8Array(12);
  const view = new DataView(datagram.buffer);
  view.setUint16(0, from);
  view.setUint16(2, to);
  view.setUint16(4, datagram.length);
  return ipPacket(protocols.udp, source, target, datagram);
}

export type FoundPacket = {
  kind: 'syn-ack' | 'reset' | 'datagram' | 'unreachable';
  source: string;
  from: number;
  to: number;
};

/** What came to one of `own` and says something of a port; undefined for all else. */
export function readPacket(packet: Uint8Array, own: readonly string[]): FoundPacket | undefined {
  if (packet.length < ipBytes + 8 || !own.includes(packet.subarray(16, 20).join('.'))) return undefined;
  const source = packet.subarray(12, 16).join('.');
  const inner = packet.subarray(((packet[0] ?? 0) & 15) * 4);
  const [from, to] = [((inner[0] ?? 0) << 8) | (inner[1] ?? 0), ((inner[2] ?? 0) << 8) | (inner[3] ?? 0)];
  if (packet[9] === protocols.udp) return { kind: 'datagram', source, from, to };
  if (packet[9] === protocols.icmp) return inner[0] === 3 ? { kind: 'unreachable', source, from: 0, to: 0 } : undefined;
  if (packet[9] !== protocols.tcp) return undefined;
  const flags = inner[13] ?? 0;
  if ((flags & 0x04) !== 0) return { kind: 'reset', source, from, to };
  return (flags & 0x12) === 0x12 ? { kind: 'syn-ack', source, from, to } : undefined;
}
