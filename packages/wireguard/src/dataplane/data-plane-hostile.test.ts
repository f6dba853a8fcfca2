import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { chooseAead } from '../aead/choose-aead.ts';
import { initiationBytes } from '../noise/message-layout.ts';
import { mac1Key } from '../noise/key-derivation.ts';
import { writeMac1 } from '../noise/message-macs.ts';
import { HandshakeLimits, type LimitVerdict, sourcesMax } from './handshake-limits.ts';
import { InnerPacket } from './inner-packet.ts';
import { answer, hubAddress, nodeAddress, nodeAndHub, proxyPort, request } from './testing/node-and-hub.ts';
import { flag, tcpPacket, type TcpPacket } from './testing/tcp-packet.ts';
import type { PlaneEnd } from './testing/plane-network.ts';

const { aead } = await chooseAead();
await sodium.ready;

/** An initiation that everyone can write who knows the receiver's public key: right mac1, nothing behind it. */
function junkInitiation(receiver: PlaneEnd, seed: number): Uint8Array {
  const message = new Uint8Array(initiationBytes).fill(seed & 0xff, 4);
  message.set([1, 0, 0, 0, seed & 0xff, seed >> 8, 0, 0]);
  writeMac1(message, mac1Key(receiver.publicKey));
  return message;
}

/** What comes out at the other end of packets that a peer with working keys, but hostile, puts into its tunnel. */
function fromHostilePeer(
  packets: readonly Uint8Array[],
  hostile: 'node' | 'hub',
): { end: PlaneEnd; taken: Uint8Array[] } {
  const pair = nodeAndHub(aead);
  const [sender, end] = hostile === 'node' ? [pair.node, pair.hub] : [pair.hub, pair.node];
  pair.node.send(answer('start'));
  end.received.length = 0;
  const { read } = InnerPacket.prototype;
  const own = { source: hostile === 'node' ? nodeAddress : hubAddress };
  const cover = tcpPacket({ ...own, destination: hostile === 'node' ? hubAddress : nodeAddress, destinationPort: 1 });
  for (const packet of packets) {
    // Its own filter sees a harmless packet of the same length; ours then reads what is really there.
    let mine = true;
    InnerPacket.prototype.read = function (this: InnerPacket, buffer, start, length) {
      if (!mine) return read.call(this, buffer, start, length);
      mine = false;
      const good = read.call(this, cover, 0, cover.length);
      this.length = length;
      return good;
    };
    try {
      sender.send(packet);
    } finally {
      InnerPacket.prototype.read = read;
    }
  }
  return { end, taken: end.received };
}

describe('hostile inner packets (I11)', () => {
  const request = { source: hubAddress, destination: nodeAddress, destinationPort: proxyPort };
  const reply = { source: nodeAddress, destination: hubAddress, destinationPort: 40_000, flags: flag.ack };

  test('a node takes TCP of the hub to its proxy port, and nothing else', () => {
    const good = tcpPacket({ ...request, flags: flag.syn });
    const bad: TcpPacket[] = [
      { ...request, destinationPort: 22 },
      { ...request, destinationPort: 0 },
      { ...request, source: '10.90.0.3' },
      { ...request, source: '127.0.0.1' },
      { ...request, destination: '10.90.0.3' },
      { ...request, destination: '192.168.1.1' },
      { ...request, destination: '127.0.0.1' },
      { ...request, destination: '255.255.255.255' },
      { ...request, source: 'fd00::1', destination: 'fd00::2' },
    ];
    const udp = good.slice();
    udp[9] = 17;
    const fragment = good.slice();
    fragment[6] = 0x20;
    const packets = [...bad.map(tcpPacket), udp, fragment, new Uint8Array(1), new Uint8Array(60)];
    const { end, taken } = fromHostilePeer([...packets, good], 'hub');
    expect(taken).toEqual([good]);
    expect(end.drops.of('inner')).toBe(packets.length);
  });

  test('a hub takes answers only: no new connection, no other source', () => {
    const good = tcpPacket({ ...reply, flags: flag.syn | flag.ack });
    const bad: TcpPacket[] = [
      { ...reply, flags: flag.syn },
      { ...reply, flags: flag.syn | flag.fin },
      { ...reply, source: '10.90.0.3' },
      { ...reply, destination: '10.90.0.3' },
    ];
    const { end, taken } = fromHostilePeer([...bad.map(tcpPacket), good], 'node');
    expect(taken).toEqual([good]);
    expect(end.drops.of('inner')).toBe(bad.length);
  });

  test('a packet longer than the MTU is not handed in', () => {
    const { end, taken } = fromHostilePeer([tcpPacket({ ...request, payload: new Uint8Array(1500) })], 'hub');
    expect(taken).toEqual([]);
    expect(end.drops.of('inner')).toBe(1);
  });
});

describe('the network', () => {
  test('a peer is where its last authentic packet came from, and nothing else moves it', () => {
    const { network, node, hub } = nodeAndHub(aead);
    node.send(answer('0'));
    network.carry = (datagram) => [datagram.from === node.name ? { ...datagram, from: '198.51.100.7' } : datagram];
    node.send(answer('1'));
    const endpoint = () => hub.plane.peers()[0]!.endpoint;
    expect(endpoint()).toEqual({ address: '198.51.100.7', port: 1 });
    const last = network.log.at(-1)!;
    const forged = last.bytes.slice();
    forged[9]! ^= 1;
    network.inject({ from: '203.0.113.66', to: hub.name, bytes: forged }); // a new counter
    network.inject({ from: '203.0.113.66', to: hub.name, bytes: last.bytes }); // replayed
    network.inject({ from: '203.0.113.66', to: hub.name, bytes: network.log[0]!.bytes }); // an old initiation
    expect(endpoint()).toEqual({ address: '198.51.100.7', port: 1 });
    expect(hub.drops.of('replay')).toBe(2);
    expect(hub.drops.of('decaps_auth')).toBe(1);
  });

  test('loss, duplicates and any order: what arrives is what was sent, once', () => {
    const delivery = fc.array(fc.record({ lost: fc.boolean(), twice: fc.boolean(), order: fc.nat(50) }), {
      minLength: 30,
    });
    const property = fc.property(delivery, (delivery) => {
      const { network, node, hub } = nodeAndHub(aead);
      node.send(answer('start'));
      const held: Parameters<typeof network.inject>[0][] = [];
      network.carry = (datagram) => {
        held.push(datagram);
        return [];
      };
      for (const index of delivery.keys()) node.send(answer(`${index}`));
      const fates = held.flatMap((datagram, index) => {
        const { lost, twice, order } = delivery[index]!;
        const copies = lost ? [] : twice ? [0, 25] : [0];
        return copies.map((later) => ({ datagram, order: order + later, index }));
      });
      for (const { datagram } of fates.toSorted((a, b) => a.order - b.order)) network.inject(datagram);
      const expected = [...new Set(fates.map(({ index }) => index))].map((index) => answer(`${index}`));
      const text = (packets: Uint8Array[]) => packets.map((one) => Buffer.from(one).toString('hex')).toSorted();
      expect(text(hub.received.slice(1))).toEqual(text(expected));
    });
    fc.assert(property, { numRuns: 50 });
  });

  test('every byte of every message flipped: dropped, and the link works on', () => {
    const { network, node, hub } = nodeAndHub(aead);
    node.send(answer('0'));
    hub.send(request('1'));
    const recorded = network.log.slice();
    const state = () => JSON.stringify([node.plane.peers(), hub.plane.peers(), node.received, hub.received]);
    const before = state();
    for (const datagram of recorded) {
      // mac2 counts under load only: without load a handshake message is the same with another one.
      const end = datagram.bytes[0] === 4 ? datagram.bytes.length : datagram.bytes.length - 16;
      for (let at = 0; at < end; at += 1) {
        const forged = datagram.bytes.slice();
        forged[at]! ^= 0x10;
        network.inject({ ...datagram, bytes: forged });
        network.advance(1);
      }
    }
    expect(state()).toBe(before);
    node.send(answer('2'));
    expect(hub.received.length).toBe(2);
  });

  test('100,000 random datagrams: nothing thrown, the session stays, memory stays (D6)', () => {
    const { network, node, hub } = nodeAndHub(aead);
    node.send(answer('0'));
    const noise = network.random(64);
    const datagrams = Array.from({ length: 1000 }, (_, index) => {
      const bytes = new Uint8Array((index * 37) % 1500);
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = noise[(at * 7 + index) % 64]!;
      // Half of them look like ours.
      if (index % 2 === 0 && bytes.length > 4) bytes.set([(index / 2) % 5, 0, 0, 0]);
      return bytes;
    });
    const flood = () => {
      for (const bytes of datagrams) hub.plane.fromNetwork(bytes, '203.0.113.9', 9, 0, network.nowMs);
    };
    flood();
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 99; round += 1) flood();
    Bun.gc(true);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 ** 20);
    node.send(answer('1'));
    hub.send(request('2'));
    expect(hub.received.length).toBe(2);
    expect(node.received.length).toBe(1);
    expect(hub.plane.deadline).toBeLessThan(Infinity);
  });
});

describe('handshakes for nothing (D6)', () => {
  test('mac1 comes first: without it nothing is computed or answered', () => {
    const { network, hub } = nodeAndHub(aead);
    for (let index = 0; index < 1000; index += 1) {
      const junk = junkInitiation(hub, index);
      junk[140] = 1; // mac2 is not covered by mac1
      junk[120]! ^= 1;
      network.inject({ from: '203.0.113.9', to: hub.name, bytes: junk });
    }
    expect(hub.drops.of('mac')).toBe(1000);
    expect(network.sent(hub.name)).toEqual([]);
  });

  test('a flood with right mac1 costs 50 key agreements a second; a node still comes in, by a cookie', () => {
    const { network, node, hub } = nodeAndHub(aead);
    for (let index = 0; index < 500; index += 1) {
      const from = `203.0.${index % 250}.${1 + Math.floor(index / 250)}`;
      network.inject({ from, to: hub.name, bytes: junkInitiation(hub, index) });
    }
    expect(hub.drops.of('peer_unknown')).toBe(50);
    expect(hub.drops.of('cookie')).toBe(450);
    node.send(answer('through'));
    const flood = () => {
      for (let index = 0; index < 60; index += 1) {
        network.inject({ from: `198.51.100.${index}`, to: hub.name, bytes: junkInitiation(hub, index) });
      }
    };
    flood();
    expect(hub.received).toEqual([]);
    expect(network.sent(node.name).map((one) => one.type)).toEqual([1]);
    network.advance(4_990);
    flood();
    network.advance(10);
    // Its second try carries mac2 under the cookie and passes, though the flood goes on.
    expect(network.sent(node.name).map((one) => one.type)).toEqual([1, 1, 4]);
    expect(hub.received).toEqual([answer('through')]);
  });

  test('no answer is longer than what it answers', () => {
    const { network, hub } = nodeAndHub(aead);
    for (let index = 0; index < 200; index += 1) {
      network.inject({ from: '203.0.113.9', to: hub.name, bytes: junkInitiation(hub, index) });
    }
    expect(network.sent(hub.name).every((one) => one.type === 3 && one.length === 64)).toBe(true);
    expect(network.sent(hub.name).length).toBe(10);
    expect(hub.drops.of('rate')).toBe(180);
  });

  test('a forged cookie reply is not taken, nor one for another message', () => {
    const { network, node, hub } = nodeAndHub(aead);
    network.carry = () => [];
    node.send(answer('0'));
    const reply = new Uint8Array(64).fill(7, 4);
    reply[0] = 3;
    reply.set(network.log[0]!.bytes.subarray(4, 8), 4);
    network.inject({ from: hub.name, to: node.name, bytes: reply });
    expect(node.drops.of('cookie')).toBe(1);
    reply[4]! ^= 1;
    network.inject({ from: hub.name, to: node.name, bytes: reply });
    expect(node.drops.of('state')).toBe(1);
  });

  test('one initiation of a peer per 20 ms', () => {
    const { network, node, hub } = nodeAndHub(aead);
    node.send(answer('0'));
    network.carry = (datagram) => (datagram.bytes[0] === 1 ? [] : [datagram]);
    const cut = () => {
      node.plane.cutPeer(hub.publicKey, new Uint8Array(32).fill(0x55), network.nowMs);
      node.send(answer('again'));
      return network.log.at(-1)!;
    };
    network.advance(1_000);
    const [first, second] = [cut(), cut()];
    network.inject(first);
    network.inject(second);
    expect(hub.drops.of('rate')).toBe(1);
    network.advance(20);
    network.inject(second);
    expect(hub.drops.of('rate')).toBe(1);
    expect(network.sent(hub.name).filter((one) => one.type === 2).length).toBe(3);
  });
});

describe('limits', () => {
  test('ten at once and five a second of one source, then a cookie; proven sources are counted apart', () => {
    const limits = new HandshakeLimits();
    const verdicts = (count: number, verified: boolean, nowMs: number) =>
      Array.from({ length: count }, () => limits.judge('a', () => verified, nowMs));
    const times = (count: number) => Array.from({ length: count }, (): LimitVerdict => 'take');
    expect(verdicts(12, false, 0)).toEqual([...times(10), 'cookie', 'cookie']);
    expect(verdicts(51, true, 0)).toEqual([...times(50), 'rate']);
    expect(verdicts(6, false, 1_000)).toEqual([...times(5), 'cookie']);
    expect(limits.judge('b', () => false, 1_000)).toBe('take');
  });

  test('replies are limited too, and sources are forgotten past a number', () => {
    const limits = new HandshakeLimits();
    const verdicts = new Map<string, number>();
    for (let index = 0; index < sourcesMax * 2; index += 1) {
      const verdict = limits.judge(`${index}`, () => false, 0);
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    expect(Object.fromEntries(verdicts)).toEqual({ take: 50, cookie: 10_000, rate: sourcesMax * 2 - 10_050 });
  });
});
