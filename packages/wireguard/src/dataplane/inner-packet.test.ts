import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { InnerPacket } from './inner-packet.ts';
import { addressKey } from './ip-address.ts';
import { hubAddress, nodeAddress, proxyPort } from './testing/node-and-hub.ts';
import { flag, tcpPacket } from './testing/tcp-packet.ts';

const toProxy = { source: hubAddress, destination: nodeAddress, destinationPort: proxyPort };
const v6 = { source: 'fd00::1', destination: 'fd00::2', destinationPort: 80, payload: new Uint8Array(5) };

/** The packet with some bytes changed. */
function changed(packet: Uint8Array, changes: Record<number, number>): Uint8Array {
  const copy = packet.slice();
  for (const [at, byte] of Object.entries(changes)) copy[Number(at)] = byte;
  return copy;
}

function reads(family: 4 | 6, packet: Uint8Array): boolean {
  return new InnerPacket(family).read(packet, 0, packet.length);
}

describe('what may be inside', () => {
  test('TCP of the tunnel’s family, trimmed by its IP length', () => {
    const packet = tcpPacket({ ...toProxy, payload: new Uint8Array(7) });
    const inner = new InnerPacket(4);
    const padded = new Uint8Array(100);
    padded.set(packet, 16);
    expect(inner.read(padded, 16, 60)).toBe(true);
    expect(inner).toMatchObject({ length: 47, destinationPort: proxyPort, opensConnection: false });
    expect(inner.source).toBe(addressKey(hubAddress));
    expect(inner.destination).toBe(addressKey(nodeAddress));
    expect(reads(6, packet)).toBe(false);

    const six = new InnerPacket(6);
    expect(six.read(tcpPacket(v6), 0, 65)).toBe(true);
    expect(six).toMatchObject({ length: 65, destinationPort: 80 });
    expect(six.source).toBe(addressKey('fd00::1'));
    expect(six.destination).toBe(addressKey('fd00::2'));
    expect(reads(4, tcpPacket(v6))).toBe(false);
  });

  test('a new connection is SYN without ACK, whatever else is set', () => {
    const inner = new InnerPacket(4);
    for (let flags = 0; flags < 256; flags += 1) {
      const packet = tcpPacket({ ...toProxy, flags });
      inner.read(packet, 0, packet.length);
      expect(inner.opensConnection).toBe((flags & flag.syn) !== 0 && (flags & flag.ack) === 0);
    }
  });

  test.each([
    ['UDP', { 9: 17 }],
    ['ICMP', { 9: 1 }],
    ['IP in IP', { 9: 4 }],
    ['a first fragment', { 6: 0x20 }],
    ['a later fragment', { 6: 0, 7: 1 }],
    ['a fragment of large offset', { 6: 0x1f, 7: 0 }],
    ['IP options', { 0: 0x46 }],
    ['a header shorter than one', { 0: 0x44 }],
    ['version 6 in a packet for 4', { 0: 0x65 }],
    ['a length past the packet', { 3: 41 }],
    ['a length without a TCP header', { 3: 39 }],
    ['a length of zero', { 2: 0, 3: 0 }],
  ])('refused over IPv4: %s', (_name, changes) => {
    expect(reads(4, tcpPacket(toProxy))).toBe(true);
    expect(reads(4, changed(tcpPacket(toProxy), changes))).toBe(false);
  });

  test.each([
    ['UDP', { 6: 17 }],
    ['a fragment header', { 6: 44 }],
    ['hop-by-hop options', { 6: 0 }],
    ['a routing header', { 6: 43 }],
    ['a length past the packet', { 5: 26 }],
    ['a length without a TCP header', { 5: 19 }],
  ])('refused over IPv6: %s', (_name, changes) => {
    expect(reads(6, tcpPacket(v6))).toBe(true);
    expect(reads(6, changed(tcpPacket(v6), changes))).toBe(false);
  });

  test('any bytes: no throw, and nothing outside of the packet is taken for part of it', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(4 as const, 6 as const),
      (bytes, family) => {
        if (bytes.length > 0) bytes[0] = family === 4 ? 0x45 : 0x60;
        const inner = new InnerPacket(family);
        if (inner.read(bytes, 0, bytes.length)) expect(inner.length).toBeLessThanOrEqual(bytes.length);
      },
    );
    fc.assert(property, { numRuns: 2000 });
  });
});
