import { describe, expect, test } from 'bun:test';
import { chooseAead } from '../aead/choose-aead.ts';
import { publicKeyOf } from '../noise/x25519.ts';
import { queuedPacketsMax } from './packet-queue.ts';
import { answer, hubAddress, nodeAddress, nodeAndHub, request } from './testing/node-and-hub.ts';
import { PlaneNetwork } from './testing/plane-network.ts';
import { tcpPacket } from './testing/tcp-packet.ts';

const { aead } = await chooseAead();
const nextKey = new Uint8Array(32).fill(0x31);
const types = (sent: { type: number }[]) => sent.map((one) => one.type);

describe('sessions', () => {
  test('a packet asks for a session, waits, and comes out unchanged at the other end; so does the answer', () => {
    const { network, node, hub } = nodeAndHub(aead);
    node.send(answer('hello'));
    expect(hub.received).toEqual([answer('hello')]);
    hub.send(request('hi'));
    expect(node.received).toEqual([request('hi')]);
    expect(types(network.sent(node.name))).toEqual([1, 4]);
    expect(types(network.sent(hub.name))).toEqual([2, 4]);
    const [[atNode], [atHub]] = [node.plane.peers(), hub.plane.peers()];
    expect(atNode).toMatchObject({ address: hubAddress, lastHandshakeMs: 1_700_000_000_000, rxBytes: 92 + 80 });
    expect(atHub).toMatchObject({ address: nodeAddress, endpoint: { address: node.name, port: 1 }, txBytes: 92 + 80 });
    expect(atHub!.rxBytes).toBe(atNode!.txBytes);
  });

  test('another pre-shared key on one side: no session, no byte', () => {
    const { node, hub, network } = nodeAndHub(aead);
    hub.plane.setPsk(node.publicKey, new Uint8Array(32).fill(0x56), 0);
    node.send(answer('hello'));
    network.advance(60_000);
    expect(hub.received).toEqual([]);
    expect(node.plane.peers()[0]!.lastHandshakeMs).toBeUndefined();
    expect(hub.plane.peers()[0]!.lastHandshakeMs).toBeUndefined();
    expect(node.drops.of('decaps_auth')).toBeGreaterThan(5);
  });

  test('a new pre-shared key is for the next handshake; the running session goes on', () => {
    const { node, hub, network } = nodeAndHub(aead);
    node.send(answer('before'));
    const psk = new Uint8Array(32).fill(0x77);
    expect(node.plane.setPsk(hub.publicKey, psk, network.nowMs)).toEqual(psk);
    expect(hub.plane.setPsk(node.publicKey, psk, network.nowMs)).toEqual(psk);
    node.send(answer('same session'));
    network.advance(121_000);
    node.send(answer('next session'));
    node.send(answer('and on'));
    expect(hub.received.length).toBe(4);
    expect(types(network.sent(node.name)).filter((type) => type === 1).length).toBe(2);
    expect(hub.plane.peers()[0]!.lastHandshakeMs).toBe(1_700_000_121_000);
  });

  test('a private key of one side: what was sent arrives, what is sent shakes hands, and only who is expected is heard (K8)', () => {
    const { node, hub, network } = nodeAndHub(aead);
    node.send(answer('before'));
    const was = node.publicKey.slice();
    node.plane.setPrivateKey(nextKey, network.nowMs);
    hub.send(request('by the session that there was'));
    expect(node.received).toHaveLength(1);
    node.send(answer('of a stranger'));
    expect([hub.received.length, hub.drops.of('peer_unknown')]).toEqual([1, 1]);
    const presharedKey = hub.plane.presharedKeyOf(was)!;
    hub.plane.setPeer({ publicKey: publicKeyOf(nextKey), presharedKey, keepaliveS: 0 }, network.nowMs);
    network.advance(6_000);
    // Its packets have an address that is another peer's.
    expect([hub.received.length, hub.drops.of('inner')]).toEqual([1, 1]);
    hub.plane.setPeer({ publicKey: publicKeyOf(nextKey), presharedKey, address: nodeAddress, keepaliveS: 0 }, 0);
    hub.plane.removePeer(was);
    node.send(answer('after'));
    hub.send(request('and back'));
    expect([hub.received.length, node.received.length]).toEqual([2, 2]);
    expect(hub.plane.peers()).toHaveLength(1);
  });

  test('an unknown peer gets no key, and a removed one is not brought back by a late key', () => {
    const { node, hub } = nodeAndHub(aead);
    node.plane.removePeer(hub.publicKey);
    expect(node.plane.setPsk(hub.publicKey, new Uint8Array(32), 0)).toBeUndefined();
    expect(node.plane.cutPeer(hub.publicKey, new Uint8Array(32), 0)).toBe(false);
    expect(node.plane.peers()).toEqual([]);
    node.send(answer('to nobody'));
    expect(node.drops.of('inner')).toBe(1);
  });

  test('a key that comes while there is no session heals the link at once', () => {
    const { node, hub, network } = nodeAndHub(aead, 25);
    network.advance(1_000);
    node.plane.cutPeer(hub.publicKey, new Uint8Array(32).fill(1), network.nowMs);
    hub.plane.cutPeer(node.publicKey, new Uint8Array(32).fill(2), network.nowMs);
    network.advance(105_000); // attempts have ended by now
    const psk = new Uint8Array(32).fill(3);
    hub.plane.setPsk(node.publicKey, psk, network.nowMs);
    node.plane.setPsk(hub.publicKey, psk, network.nowMs);
    network.advance(10);
    expect(node.plane.peers()[0]!.lastHandshakeMs).toBe(1_700_000_106_000);
    node.send(answer('healed'));
    expect(hub.received).toEqual([answer('healed')]);
  });

  test('a cut ends the session at once: neither side can send by it', () => {
    const { node, hub, network } = nodeAndHub(aead);
    node.send(answer('one'));
    const recorded = network.log.map((one) => ({ ...one }));
    expect(hub.plane.cutPeer(node.publicKey, new Uint8Array(32).fill(9), network.nowMs)).toBe(true);
    node.send(answer('two'));
    expect(hub.drops.of('state')).toBe(1);
    expect(hub.received.length).toBe(1);
    // What was recorded before the cut does not work after it.
    for (const datagram of recorded) network.inject(datagram);
    expect(hub.drops.of('replay')).toBe(1);
    expect(hub.plane.peers()[0]).toMatchObject({ address: nodeAddress, lastHandshakeMs: undefined });
    hub.plane.setPsk(node.publicKey, new Uint8Array(32).fill(0x55), network.nowMs);
    network.advance(20_000);
    node.send(answer('three'));
    expect(hub.received.at(-1)).toEqual(answer('three'));
  });

  test('two that start at once come to an understanding', () => {
    const { node, hub, network } = nodeAndHub(aead);
    node.send(answer('a'));
    network.advance(6_000);
    hub.plane.cutPeer(node.publicKey, new Uint8Array(32).fill(0x55), network.nowMs);
    node.plane.cutPeer(hub.publicKey, new Uint8Array(32).fill(0x55), network.nowMs);
    const held: Parameters<typeof network.inject>[0][] = [];
    network.carry = (datagram) => {
      held.push(datagram);
      return [];
    };
    node.send(answer('b'));
    hub.send(request('c'));
    network.carry = (datagram) => [datagram];
    for (const datagram of held) network.inject(datagram);
    network.settle();
    network.advance(10_000);
    node.send(answer('d'));
    hub.send(request('e'));
    expect(hub.received.slice(-2)).toEqual([answer('b'), answer('d')]);
    expect(node.received.slice(-2)).toEqual([request('c'), request('e')]);
  });
});

describe('what waits', () => {
  test('128 packets a peer, the oldest gives way', () => {
    const { node, hub, network } = nodeAndHub(aead);
    network.carry = () => [];
    for (let index = 0; index < queuedPacketsMax + 10; index += 1) node.send(answer(`${index}`));
    expect(node.plane.queued).toBe(queuedPacketsMax);
    expect(node.drops.of('queue')).toBe(10);
    network.carry = (datagram) => [datagram];
    network.advance(6_000);
    expect(hub.received.length).toBe(queuedPacketsMax);
    expect(hub.received[0]).toEqual(answer('10'));
    expect(node.plane.queued).toBe(0);
  });

  test('a hub that knows no way to a node keeps its packets until the node comes', () => {
    const { node, hub, network } = nodeAndHub(aead);
    hub.send(request('early'));
    expect(network.log).toEqual([]);
    node.send(answer('hello'));
    expect(node.received).toEqual([request('early')]);
  });
});

test('peers are refused that can have no secret with us', () => {
  const { node } = nodeAndHub(aead);
  const peer = { presharedKey: new Uint8Array(32), address: '10.90.0.9', keepaliveS: 0 };
  expect(() => node.plane.setPeer({ ...peer, publicKey: new Uint8Array(32) }, 0)).toThrow('low order');
  expect(() => node.plane.setPeer({ ...peer, publicKey: node.publicKey }, 0)).toThrow('our own');
  expect(() => node.plane.setPeer({ ...peer, publicKey: node.publicKey.subarray(1) }, 0)).toThrow(RangeError);
  const before = node.plane.peers();
  const publicKey = new Uint8Array(32).fill(9);
  expect(() => node.plane.setPeer({ ...peer, publicKey, address: '10.90.0' }, 0)).toThrow(RangeError);
  const short = new Uint8Array(31);
  expect(() => node.plane.setPeer({ ...peer, publicKey, presharedKey: short }, 0)).toThrow(RangeError);
  expect(() => node.plane.setPsk(before[0]!.publicKey, short, 0)).toThrow(RangeError);
  expect(() => node.plane.cutPeer(before[0]!.publicKey, short, 0)).toThrow(RangeError);
  expect(node.plane.peers()).toEqual(before);
});

test('an address belongs to the peer that was given it last', () => {
  const { node, hub } = nodeAndHub(aead);
  node.send(answer('mine'));
  const other = new Uint8Array(32).fill(9);
  hub.plane.setPeer({ publicKey: other, presharedKey: other, address: nodeAddress, keepaliveS: 0 }, 0);
  node.send(answer('no longer'));
  expect(hub.received).toEqual([answer('mine')]);
  expect(hub.drops.of('inner')).toBe(1);
  expect(hub.plane.peers().map((peer) => peer.address)).toEqual([undefined, nodeAddress]);
});

test('a move of our own is announced by a keepalive where there is a session', () => {
  const { node, hub, network } = nodeAndHub(aead);
  hub.plane.announce(network.nowMs);
  node.send(answer('0'));
  network.carry = (datagram) => [datagram.from === node.name ? { ...datagram, from: '198.51.100.7' } : datagram];
  node.plane.announce(network.nowMs);
  network.settle();
  expect(types(network.sent(node.name))).toEqual([1, 4, 4]);
  expect(hub.plane.peers()[0]!.endpoint).toEqual({ address: '198.51.100.7', port: 1 });
});

test('after wiping nothing is left that could send', () => {
  const { node, hub, network } = nodeAndHub(aead);
  node.send(answer('one'));
  const before = network.log.length;
  node.plane.wipe();
  node.send(answer('two'));
  network.advance(300_000);
  expect(network.sent(node.name).length + network.sent(hub.name).length).toBeGreaterThanOrEqual(before);
  expect(network.sent(node.name, 1)).toEqual([]);
  expect(node.plane.peers()).toEqual([]);
});

test('a tunnel of IPv6 carries IPv6, over either family outside', () => {
  const network = new PlaneNetwork(aead);
  const role = { kind: 'node', hubAddress: 'fd00::1', proxyPort: 80 } as const;
  const node = network.add({ name: '2001:db8::2', address: 'fd00::2', role, keyByte: 1 });
  const hub = network.add({ name: '192.0.2.1', address: 'fd00::1', role: { kind: 'hub' }, keyByte: 2 });
  const common = { presharedKey: new Uint8Array(32), keepaliveS: 0 };
  const endpoint = { address: '::ffff:192.0.2.1', port: 1 };
  hub.plane.setPeer({ ...common, publicKey: node.publicKey, address: 'FD00:0:0::2' }, 0);
  node.plane.setPeer({ ...common, publicKey: hub.publicKey, address: 'fd00::1', endpoint }, 0);
  const out = tcpPacket({ source: 'fd00::2', destination: 'fd00::1', sourcePort: 80, destinationPort: 5 });
  node.send(out);
  expect(hub.received).toEqual([out]);
  const back = tcpPacket({ source: 'fd00::1', destination: 'fd00::2', destinationPort: 80, payload: out });
  hub.send(back);
  expect(node.received).toEqual([back]);
  hub.send(request('IPv4 in a tunnel of IPv6'));
  expect(hub.drops.of('inner')).toBe(1);
});

test('the interface takes no packet that is not its own', () => {
  const { node, network } = nodeAndHub(aead);
  const foreign = { source: '10.90.0.3', destination: hubAddress, destinationPort: 1 };
  node.send(tcpPacket(foreign));
  node.send(tcpPacket({ ...foreign, source: nodeAddress, destination: '10.90.0.7' }));
  node.send(new Uint8Array(3));
  expect(node.drops.of('inner')).toBe(3);
  expect(network.log).toEqual([]);
});
