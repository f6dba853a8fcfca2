/** Peers that speak otherwise, that change, that come and go (X6, K8, D7, H4). */
import { heapStats } from 'bun:jsc';
import { describe, expect, test } from 'bun:test';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { PeerOptions } from './effects.ts';
import { peersMax } from './exchange/peer-table.ts';
import { fingerprintOf } from './fingerprint.ts';
import { keyPrefixesBytes } from './key-prefixes.ts';
import { messageType } from './message/layout.ts';
import { fakeOwnKey } from './testing/fake-kems.ts';
import { Pair, tap } from './testing/pair.ts';
import { dropsOf, effectsOf, type Party } from './testing/party.ts';
import { seededRandom } from './testing/scripted-random.ts';

const exchangesOf = (party: Party) => effectsOf(party.effects, 'exchanged');
const foreign = { schedule: 'foreign' } as const;

describe('version and encoding (X6)', () => {
  const dialects = [
    { version: 'V03', ciphertext: 'pc188' },
    { version: 'V02', ciphertext: 'pc188' },
    { version: 'V02', ciphertext: 'r4-156' },
    { version: 'V03', ciphertext: 'r4-156' },
  ] as const;
  const auto = { version: 'auto', ciphertext: 'auto' } as const;

  /** The only dialect that the other side understands, as a Rosenpass of its time does. */
  function deafTo(pair: Pair, { version, ciphertext }: (typeof dialects)[number]): void {
    const hash = pair.b.context.suites[version].hash;
    const at = version === 'V02' ? 32 : 160;
    const macKey = pair.b.key.prefixes.subarray(at, at + 32);
    const size = ciphertext === 'pc188' ? 1092 : 1060;
    pair.network.watch = (bytes) => {
      if (bytes[0] !== messageType.initHello) return true;
      const mac = hash(macKey, bytes.subarray(0, -32)).subarray(0, 16);
      return bytes.length === size && Buffer.from(mac).equals(bytes.subarray(-32, -16));
    };
  }

  test.each(dialects)('an initiator finds $version $ciphertext by itself, and remembers it', (dialect) => {
    const pair = new Pair();
    deafTo(pair, dialect);
    const hellos = tap(pair.network, messageType.initHello);
    pair.join({ ...foreign, ...auto }, { ...foreign, ...auto });
    pair.network.run(15_000);
    expect(exchangesOf(pair.a)).toMatchObject([dialect]);
    expect(exchangesOf(pair.b)).toMatchObject([dialect]);
    expect(hellos).toHaveLength(3 * dialects.indexOf(dialect) + 1);
    pair.network.run(130_000);
    expect(exchangesOf(pair.a)).toMatchObject([dialect, dialect]);
    expect(hellos).toHaveLength(3 * dialects.indexOf(dialect) + 2);
  });

  test('a setting narrows what is tried', () => {
    const pair = new Pair();
    pair.network.watch = (bytes) => bytes[0] !== messageType.respHello;
    const hellos = tap(pair.network, messageType.initHello);
    pair.join({ ...foreign, version: 'V02', ciphertext: 'auto' });
    pair.network.run(20_000);
    expect(new Set(hellos.slice(0, 3).map((hello) => hello.length))).toEqual(new Set([1092]));
    expect(new Set(hellos.slice(3, 6).map((hello) => hello.length))).toEqual(new Set([1060]));
  });

  test.each([
    [
      { version: 'V02', ciphertext: 'pc188' },
      'version',
      'peer speaks V03 (Rosenpass main with protocol_version = "V03", and labmesh), we are set to V02: set protocol_version',
    ],
    [
      { version: 'V03', ciphertext: 'r4-156' },
      'encoding',
      'peer speaks pc188 (Rosenpass 0.1.1 to 0.2.3, and labmesh), we are set to r4-156: set ciphertext',
    ],
  ] as const)('a responder that is set to %p names it once the peer is known', (pinned, reason, detail) => {
    const pair = new Pair();
    pair.join({}, pinned);
    pair.network.run(200);
    expect(effectsOf(pair.b.effects, 'dropped')).toMatchObject([{ reason, peer: 'a', detail }]);
    expect(exchangesOf(pair.b)).toEqual([]);
  });
});

describe('peers change', () => {
  test('one that is not known is no more than a drop', () => {
    const pair = new Pair();
    pair.introduce(pair.a, pair.b, { id: 'b', schedule: 'node', endpoint: pair.atB });
    pair.network.run(200);
    expect(effectsOf(pair.b.effects, 'dropped')).toMatchObject([{ reason: 'peer_unknown', peer: undefined }]);
  });

  test('a node without an address waits for one', () => {
    const pair = new Pair();
    pair.join({ endpoint: undefined });
    pair.network.run(60_000);
    expect(pair.keys).toEqual([undefined, undefined]);
    pair.network.apply(pair.a, pair.a.exchange.updatePeer('b', { endpoint: pair.atB }, pair.network.now));
    pair.network.run(100);
    expect(exchangesOf(pair.a)).toHaveLength(1);
  });

  test('what waits for an answer is sent to a new address at once, beside its turn (N2)', () => {
    const pair = new Pair();
    const sent: string[] = [];
    pair.network.watch = (bytes, _from, to) => {
      if (bytes[0] === 0x81) sent.push(to.address);
      return true;
    };
    const dead = ['203.0.113.5', '203.0.113.6'].map((address) => ({ address, port: 1 }));
    pair.join({ endpoint: dead[0], version: 'V03', ciphertext: 'pc188' });
    pair.network.run(40_000);
    const beside = sent.length;
    const status = () => pair.a.exchange.peerStatus('b');
    expect(status()?.unanswered).toMatchObject({ since: 0, places: [dead[0]] });
    // However often it is moved, the pace of the resends stays.
    for (let n = 1; n <= 20; n++) {
      const endpoint = dead[n % 2] as (typeof dead)[0];
      pair.network.apply(pair.a, pair.a.exchange.updatePeer('b', { endpoint }, pair.network.now));
      expect(sent.at(-1)).toBe(endpoint.address);
      pair.network.run(100);
    }
    expect(sent.length).toBeLessThanOrEqual(beside + 21);
    expect(status()?.unanswered).toMatchObject({ places: dead, bytes: sent.length * 1_092 });
    pair.network.apply(pair.a, pair.a.exchange.updatePeer('b', { endpoint: pair.atB }, pair.network.now));
    pair.network.run(500);
    expect(exchangesOf(pair.a)).toHaveLength(1);
    expect(status()?.unanswered).toBeUndefined();
  });

  test('the pre-shared key may change, and other settings stay', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(100);
    const presharedKey = new Uint8Array(32).fill(4);
    for (const [party, id] of [
      [pair.a, 'b'],
      [pair.b, 'a'],
    ] as const) {
      pair.network.apply(party, party.exchange.updatePeer(id, { presharedKey, version: undefined }, pair.network.now));
    }
    expect(presharedKey[0]).toBe(4);
    pair.network.run(125_000);
    expect(exchangesOf(pair.a)).toHaveLength(2);
    expect(pair.keys[0]).toBe(pair.keys[1]);
  });

  test('the address follows the messages that are proven, IPv4 in IPv6 clothes too', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(100);
    pair.network.detach(pair.atA);
    pair.network.attach(pair.a, { address: '192.0.2.77', port: 5 });
    pair.network.apply(pair.a, pair.a.exchange.startExchange('b', pair.network.now));
    pair.network.run(100);
    expect(pair.b.exchange.peerStatus('a')?.endpoint).toEqual({ address: '192.0.2.77', port: 5 });
    pair.b.exchange.updatePeer('a', { endpoint: { address: '::ffff:192.0.2.9', port: 8 } }, pair.network.now);
    expect(pair.b.exchange.peerStatus('a')?.endpoint).toEqual({ address: '192.0.2.9', port: 8 });
  });

  test('names and keys are unique; who is gone stays gone', () => {
    const pair = new Pair();
    pair.join();
    const again = (id: string, key: PeerOptions['key']) => () =>
      pair.introduce(pair.a, pair.b, { id, key, ...foreign });
    expect(again('b', pair.b.key)).toThrow('there already');
    expect(again('c', pair.b.key)).toThrow('another peer');
    expect(again('c', { ...pair.a.key, prefixes: new Uint8Array(10) })).toThrow('length');
    expect(pair.a.exchange.removePeer('nobody', 0)).toEqual([]);
    expect(pair.a.exchange.updatePeer('nobody', {}, 0)).toEqual([]);
    pair.network.run(50);
    pair.network.apply(pair.a, pair.a.exchange.removePeer('b', pair.network.now));
    const known = pair.a.effects.length;
    pair.network.run(600_000);
    expect(effectsOf(pair.a.effects.slice(known), 'stale')).toEqual([]);
  });
});

test('secrets are gone when it ends', () => {
  const drawn: Uint8Array[] = [];
  const noting = (bytes: number) => {
    const value = crypto.getRandomValues(new Uint8Array(bytes));
    if (bytes === 32) drawn.push(value);
    return value;
  };
  const pair = new Pair(1, { random: noting });
  pair.join();
  pair.network.run(10);
  expect(drawn.length).toBeGreaterThanOrEqual(4);
  pair.a.exchange[Symbol.dispose]();
  pair.b.exchange[Symbol.dispose]();
  expect(drawn.filter((value) => value.some((byte) => byte !== 0))).toEqual([]);
});

describe('own keys (K8)', () => {
  test('the old pair answers beside the new one, until it is removed', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(100);
    const { context } = pair.b;
    const fresh = fakeOwnKey(context.suites, seededRandom(99));
    context.ownKeys.set(1, fresh);
    const key = { fingerprint: fingerprintOf(fresh.publicKey), prefixes: fresh.prefixes };
    (pair.a.context.publicKeys as Map<string, Uint8Array>).set(key.fingerprint, fresh.publicKey);
    pair.b.exchange.addOwnKey({ index: 1, ...key });

    pair.network.run(120_000);
    expect(exchangesOf(pair.b)).toHaveLength(2);
    pair.introduce(pair.a, pair.b, { id: 'b, next', key, schedule: 'node', endpoint: pair.atB });
    pair.network.run(100);
    expect(exchangesOf(pair.a).at(-1)).toMatchObject({ peer: 'b, next' });
    expect(exchangesOf(pair.b)).toHaveLength(3);
    expect(pair.keys[0]).toBe(pair.keys[1]);

    pair.b.exchange.removeOwnKey(0);
    pair.network.apply(pair.a, pair.a.exchange.startExchange('b', pair.network.now));
    pair.network.run(1_000);
    expect(exchangesOf(pair.b)).toHaveLength(3);
    expect(dropsOf(pair.b.effects)).toContain('mac');
  });

  /** A second own pair of a. */
  function secondKey(pair: Pair): PeerOptions['key'] {
    const { context } = pair.a;
    const second = fakeOwnKey(context.suites, seededRandom(98));
    context.ownKeys.set(1, second);
    const key = { fingerprint: fingerprintOf(second.publicKey), prefixes: second.prefixes };
    (context.publicKeys as Map<string, Uint8Array>).set(key.fingerprint, second.publicKey);
    pair.a.exchange.addOwnKey({ index: 1, ...key });
    return key;
  }

  test('a peer may be called with another own pair than the first', () => {
    const pair = new Pair();
    pair.join({ ownKey: 1 }, { key: secondKey(pair) });
    pair.network.run(100);
    expect(pair.keys[0]).toBeDefined();
    expect(pair.keys[0]).toBe(pair.keys[1]);
    expect(exchangesOf(pair.a)).toMatchObject([{ ownKey: 1 }]);
    expect(exchangesOf(pair.b)).toMatchObject([{ ownKey: 0 }]);
  });

  test('with another own pair a handshake that is under way begins anew, at once', () => {
    const pair = new Pair();
    pair.join({}, { key: secondKey(pair) });
    pair.network.run(2_000);
    expect(dropsOf(pair.b.effects)).toContain('peer_unknown');
    expect(exchangesOf(pair.a)).toEqual([]);
    pair.network.apply(pair.a, pair.a.exchange.updatePeer('b', { ownKey: 1 }, pair.network.now));
    pair.network.run(10);
    expect(exchangesOf(pair.a)).toMatchObject([{ ownKey: 1 }]);
    expect(pair.keys[0]).toBe(pair.keys[1]);
  });
});

describe('many peers (D7, H4)', () => {
  test(`${peersMax} and no more, each under 2 KiB`, () => {
    const { a } = new Pair();
    const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
    const stranger = (n: number): PeerOptions => ({
      id: `node-${n}`,
      key: { fingerprint: `sha256:${String(n).padStart(64, '0')}`, prefixes: random(keyPrefixesBytes) },
      schedule: 'hub',
      ownKey: 0,
      presharedKey: random(32),
      endpoint: { address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, port: 9999 },
      version: 'V03',
      ciphertext: 'pc188',
    });
    const held = () => {
      Bun.gc(true);
      const { heapSize, extraMemorySize } = heapStats();
      return heapSize + extraMemorySize;
    };
    const before = held();
    for (let n = 0; n < peersMax; n++) a.exchange.addPeer(stranger(n), 0);
    expect((held() - before) / peersMax).toBeLessThan(2048);
    expect(() => a.exchange.addPeer(stranger(peersMax), 0)).toThrow(BoundPassed);
    expect(a.exchange.status().peers).toBe(peersMax);
  });

  test('an InitConf that somebody kept opens nothing for a peer that was added again', () => {
    const pair = new Pair(3);
    const confirmations = tap(pair.network, messageType.initConf);
    pair.join();
    pair.network.run(2_000);
    pair.network.apply(pair.b, pair.b.exchange.removePeer('a', pair.network.now));
    pair.introduce(pair.b, pair.a, { id: 'a', schedule: 'hub' });
    const replayed = pair.deliver(pair.b, confirmations[0]!, { address: '203.0.113.66', port: 6 });
    expect(dropsOf(replayed)).toEqual(['replay']);
    expect(exchangesOf(pair.b)).toHaveLength(1);
  });
});
