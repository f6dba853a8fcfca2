import { describe, expect, test } from 'bun:test';
import { chooseAead } from '../aead/choose-aead.ts';
import { answer, type NodeAndHub, nodeAndHub, request } from './testing/node-and-hub.ts';

const { aead } = await chooseAead();

/** Times of the initiations of an end, in seconds. */
function initiations({ network }: NodeAndHub, name: string, fromMs = 0): number[] {
  return network
    .sent(name, fromMs)
    .filter((one) => one.type === 1)
    .map((one) => one.atMs / 1000);
}

/** Times of the keepalives (empty data messages) of an end, in seconds. */
function keepalives({ network }: NodeAndHub, name: string, fromMs = 0): number[] {
  return network
    .sent(name, fromMs)
    .filter((one) => one.type === 4 && one.length === 32)
    .map((one) => one.atMs / 1000);
}

describe('renewal', () => {
  test('the initiator renews when it sends at 120 s or later, not before', () => {
    const pair = nodeAndHub(aead);
    const { node, network } = pair;
    node.send(answer('0'));
    network.advance(119_990);
    node.send(answer('1'));
    expect(initiations(pair, node.name)).toEqual([0]);
    network.advance(10);
    node.send(answer('2'));
    expect(initiations(pair, node.name)).toEqual([0, 120]);
  });

  test('the responder does not renew by age', () => {
    const pair = nodeAndHub(aead);
    const { node, hub, network } = pair;
    node.send(answer('0'));
    network.advance(150_000);
    hub.send(request('late'));
    expect(node.received.length).toBe(1);
    expect(initiations(pair, hub.name)).toEqual([]);
  });

  test('an initiator that only receives renews at 165 s or later, once', () => {
    for (const [atMs, expected] of [
      [164_990, [0]],
      [165_000, [0, 165]],
    ] as const) {
      const pair = nodeAndHub(aead);
      const { node, hub, network } = pair;
      node.send(answer('0'));
      network.advance(atMs);
      network.carry = (datagram) => (datagram.bytes[0] === 1 ? [] : [datagram]);
      hub.send(request('x'));
      hub.send(request('y'));
      expect(node.received.length).toBe(2);
      expect(initiations(pair, node.name)).toEqual([...expected]);
    }
  });

  test('nothing is sent or taken at 180 s', () => {
    const pair = nodeAndHub(aead);
    const { node, hub, network } = pair;
    node.send(answer('0'));
    const held: (typeof network.log)[number][] = [];
    network.advance(179_990);
    network.carry = (datagram) => {
      held.push({ ...datagram, atMs: network.nowMs });
      return [];
    };
    hub.send(request('under way at the end'));
    expect(held.length).toBe(1);
    network.carry = (datagram) => [datagram];
    network.advance(10);
    network.inject(held[0]!);
    expect(node.received).toEqual([]);
    expect(node.drops.of('state')).toBe(1);
    hub.send(request('after the end'));
    // The hub knows the node's address, so it asks for a new session and the packet follows.
    expect(initiations(pair, hub.name)).toEqual([180]);
    expect(node.received).toEqual([request('after the end')]);
  });

  test('keys are zeroed at 540 s, and what was recorded stays closed', () => {
    const { node, hub, network } = nodeAndHub(aead);
    node.send(answer('0'));
    expect(hub.plane.deadline).toBeLessThanOrEqual(540_000);
    network.advance(540_000);
    expect(hub.plane.deadline).toBe(Infinity);
    expect(node.plane.deadline).toBe(Infinity);
  });
});

describe('attempts', () => {
  test('each 5 s plus 0 to 333 ms for 90 s, then on new traffic only', () => {
    const pair = nodeAndHub(aead);
    const { node, network } = pair;
    network.carry = () => [];
    network.jitter = 0.999;
    node.send(answer('0'));
    network.advance(300_000);
    const times = initiations(pair, node.name);
    expect(times.length).toBe(17);
    for (let at = 1; at < times.length; at += 1) expect(times[at]! - times[at - 1]!).toBeCloseTo(5.333, 2);
    expect(node.drops.of('timeout')).toBe(1);
    // From the third try on, somebody may look whether the socket still leads anywhere.
    expect(network.unanswered.map((one) => one.at / 1000)).toEqual(times.slice(2));
    expect(node.drops.of('queue')).toBe(1);
    expect(node.plane.deadline).toBe(Infinity);
    node.send(answer('1'));
    expect(initiations(pair, node.name, 300_000)).toEqual([300]);
  });

  test('traffic during attempts asks no oftener', () => {
    const pair = nodeAndHub(aead);
    const { node, network } = pair;
    network.carry = () => [];
    for (let index = 0; index < 20; index += 1) {
      node.send(answer(`${index}`));
      network.advance(500);
    }
    expect(initiations(pair, node.name)).toEqual([0, 5, 10]);
  });

  test('data sent and nothing received for 15 s: a new handshake', () => {
    const pair = nodeAndHub(aead);
    const { node, hub, network } = pair;
    node.send(answer('0'));
    network.carry = (datagram) => (datagram.from === hub.name ? [] : [datagram]);
    network.advance(60_000);
    expect(initiations(pair, node.name).slice(0, 3)).toEqual([0, 15, 20]);
  });
});

describe('keepalives', () => {
  test('data received and nothing sent for 10 s: one keepalive', () => {
    const pair = nodeAndHub(aead);
    const { node, hub, network } = pair;
    node.send(answer('0'));
    network.advance(100_000);
    expect(keepalives(pair, hub.name)).toEqual([10]);
    expect(keepalives(pair, node.name)).toEqual([]);
  });

  test('persistent: at once, then each 25 s without traffic, and it renews the session', () => {
    const pair = nodeAndHub(aead, 25);
    const { node, hub, network } = pair;
    network.advance(600_000);
    const at = keepalives(pair, node.name);
    expect(at.slice(0, 5)).toEqual([0, 25, 50, 75, 100]);
    expect(initiations(pair, node.name)).toEqual([0, 125, 250, 375, 500]);
    expect(hub.plane.peers()[0]!.lastHandshakeMs).toBe(1_700_000_500_000);
  });

  test('persistent goes on asking while the hub is away, and heals when it is back', () => {
    const { node, hub, network } = nodeAndHub(aead, 25);
    network.carry = () => [];
    network.advance(1_000_000);
    network.carry = (datagram) => [datagram];
    network.advance(26_000);
    node.send(answer('back'));
    expect(hub.received).toEqual([answer('back')]);
  });

  test('switched off, none comes', () => {
    const pair = nodeAndHub(aead, 25);
    const { node, hub, network } = pair;
    network.advance(1_000);
    const presharedKey = new Uint8Array(32).fill(0x55);
    node.plane.setPeer({ publicKey: hub.publicKey, presharedKey, address: '10.90.0.1', keepaliveS: 0 }, network.nowMs);
    network.advance(100_000);
    expect(keepalives(pair, node.name, 1)).toEqual([]);
  });
});
