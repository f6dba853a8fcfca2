/** Acceptance A5: the times of spec tunnel.md 5.6 on a driven clock. */
import { describe, expect, test } from 'bun:test';
import type { Effect } from './effects.ts';
import { messageType } from './message/layout.ts';
import { Pair, tap } from './testing/pair.ts';
import { dropsOf, effectsOf, type Party } from './testing/party.ts';

const hour = 3_600_000;

/** When a party had effects of a kind, ms. */
function moments(pair: Pair, party: Party, kind: Effect['effect']): number[] {
  return pair.network.log.filter((one) => one.party === party && one.effect.effect === kind).map(({ at }) => at);
}

const gaps = (times: readonly number[]) => times.slice(1).map((time, index) => time - (times[index] ?? 0));
const within = (values: readonly number[], least: number, most: number) =>
  values.filter((value) => value < least || value > most);

/** When datagrams of a type were sent, ms. */
function sentAt(pair: Pair, type: number): number[] {
  const times: number[] = [];
  const { watch } = pair.network;
  pair.network.watch = (bytes, from, to) => {
    if (bytes[0] === type) times.push(pair.network.now);
    return watch(bytes, from, to);
  };
  return times;
}

describe('the next exchange', () => {
  test('of our own pairs: the node begins, 110-120 s after the last, for an hour', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(hour);
    const times = moments(pair, pair.a, 'exchanged');
    expect(within(gaps(times), 110_000, 120_010)).toEqual([]);
    expect(times.length).toBeGreaterThanOrEqual(30);
    const roles = effectsOf(pair.b.effects, 'exchanged').map(({ role }) => role);
    expect(new Set(roles)).toEqual(new Set(['responder']));
    expect(moments(pair, pair.b, 'stale')).toEqual([]);
    const [a, b] = pair.keys;
    expect(a).toBe(b);
  });

  test('of foreign peers: whoever answered begins next, 120 s later', () => {
    const pair = new Pair();
    pair.join({ schedule: 'foreign' }, { schedule: 'foreign' });
    pair.network.run(10);
    pair.network.apply(pair.b, pair.b.exchange.updatePeer('a', { endpoint: pair.atA }, pair.network.now));
    pair.network.run(hour);
    const roles = effectsOf(pair.a.effects, 'exchanged').map(({ role }) => role);
    expect(roles.slice(-4)).toEqual(
      roles.at(-1) === 'initiator'
        ? ['responder', 'initiator', 'responder', 'initiator']
        : ['initiator', 'responder', 'initiator', 'responder'],
    );
    expect(within(gaps(moments(pair, pair.a, 'exchanged')).slice(1), 120_000, 120_010)).toEqual([]);
  });

  test('of a foreign peer that never begins: 130 s later', () => {
    const pair = new Pair();
    pair.join({ schedule: 'foreign' }, { schedule: 'foreign' });
    pair.network.run(hour);
    expect(within(gaps(moments(pair, pair.a, 'exchanged')), 130_000, 130_010)).toEqual([]);
  });

  test('at once, when asked; never by a hub', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(10_000);
    pair.network.apply(pair.a, pair.a.exchange.startExchange('b', pair.network.now));
    pair.network.run(10);
    expect(moments(pair, pair.a, 'exchanged')).toHaveLength(2);
    expect(dropsOf(pair.b.exchange.startExchange('a', pair.network.now))).toEqual(['state']);
    expect(pair.b.exchange.startExchange('nobody', pair.network.now)).toEqual([]);
  });

  test('two that begin at the same moment have one key within 10 s', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const pair = new Pair(seed);
      pair.network.wire = { loss: 0, repeat: 0, delay: [20, 60] };
      pair.network.stepMs = 35;
      const foreign = { schedule: 'foreign' } as const;
      pair.join({ ...foreign }, { ...foreign, endpoint: pair.atA });
      pair.network.run(10_000);
      const [a, b] = pair.keys;
      expect(a).toBeDefined();
      expect(a).toBe(b);
    }
  });
});

describe('a key ends', () => {
  test('180 s after the last exchange, once', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(50);
    const [last] = moments(pair, pair.a, 'exchanged');
    pair.network.watch = () => false;
    pair.network.run(hour);
    expect(moments(pair, pair.a, 'stale')).toEqual([last! + 180_000]);
    expect(moments(pair, pair.b, 'stale')).toHaveLength(1);
  });

  test('and the next exchange heals it', () => {
    const pair = new Pair();
    pair.join();
    pair.network.run(50);
    pair.network.watch = () => false;
    pair.network.run(400_000);
    pair.network.watch = () => true;
    pair.network.run(10_100);
    expect(moments(pair, pair.a, 'exchanged')).toHaveLength(2);
    expect(moments(pair, pair.b, 'exchanged')).toHaveLength(2);
  });
});

describe('sending again', () => {
  /** The bounds of each pause between messages, ms: 0.5 s × min(2^n, 20) × 0.5…1. */
  const bounds = Array.from(
    { length: 12 },
    (_, n) => [250 * Math.min(2 ** n, 20), 500 * Math.min(2 ** n, 20)] as const,
  );

  test('InitHello, unchanged, until its 180 s are over; then a fresh one', () => {
    const pair = new Pair();
    const hellos = tap(pair.network, messageType.initHello);
    const times = sentAt(pair, messageType.initHello);
    pair.network.watch = (
      (watch) => (bytes, from, to) =>
        watch(bytes, from, to) && false
    )(pair.network.watch);
    pair.join();
    pair.network.run(179_999);
    const pauses = gaps(times);
    expect(pauses.length).toBeGreaterThan(18);
    for (const [n, pause] of pauses.entries()) {
      const [least, most] = bounds[Math.min(n, bounds.length - 1)]!;
      expect(pause).toBeGreaterThanOrEqual(least);
      expect(pause).toBeLessThanOrEqual(most);
    }
    expect(new Set(hellos.map((hello) => Buffer.from(hello).toString('hex'))).size).toBe(1);
    const reports = effectsOf(pair.a.effects, 'dropped').map(({ reason, detail }) => `${reason}: ${detail}`);
    expect(reports).toEqual(['timeout: no answer for 30 s']);
    pair.network.run(1_000);
    expect(effectsOf(pair.a.effects, 'dropped').at(-1)).toMatchObject({ reason: 'timeout', peer: 'b' });
    expect(new Set(hellos.map((hello) => Buffer.from(hello).toString('hex'))).size).toBe(2);
  });

  test('InitConf starts its pauses over, and the next exchange takes its place', () => {
    const pair = new Pair();
    const times = sentAt(pair, messageType.initConf);
    pair.network.watch = (
      (watch) => (bytes, from, to) =>
        watch(bytes, from, to) && bytes[0] !== messageType.emptyData
    )(pair.network.watch);
    pair.join();
    pair.network.run(109_000);
    for (const [n, pause] of gaps(times).slice(0, 12).entries()) {
      expect(pause).toBeGreaterThanOrEqual(bounds[n]![0]);
      expect(pause).toBeLessThanOrEqual(bounds[n]![1]);
    }
    expect(pair.a.exchange.peerStatus('b')?.initiating).toBe('confirm');
    expect(moments(pair, pair.b, 'exchanged')).toHaveLength(1);
    pair.network.run(12_000);
    expect(moments(pair, pair.a, 'exchanged')).toHaveLength(2);
  });

  test('asked for an exchange, the InitHello under way is sent at once', () => {
    const pair = new Pair();
    const times = sentAt(pair, messageType.initHello);
    pair.network.watch = (
      (watch) => (bytes, from, to) =>
        watch(bytes, from, to) && false
    )(pair.network.watch);
    pair.join();
    pair.network.run(100_000);
    const before = times.length;
    pair.network.apply(pair.a, pair.a.exchange.startExchange('b', pair.network.now));
    expect(times).toHaveLength(before + 1);
    pair.network.run(500);
    expect(times).toHaveLength(before + 2);
  });
});

describe('biscuits', () => {
  /** An InitConf that reaches b only so much later. */
  function held(ms: number, keyAgeMs: number): Effect[] {
    const pair = new Pair();
    const confirmations = tap(pair.network, messageType.initConf);
    pair.network.watch = (
      (watch) => (bytes, from, to) =>
        watch(bytes, from, to) && bytes[0] !== messageType.initConf
    )(pair.network.watch);
    pair.network.run(keyAgeMs);
    pair.join();
    pair.network.run(5);
    pair.network.detach(pair.atA);
    pair.network.run(ms);
    return pair.deliver(pair.b, confirmations[0]!, pair.atA);
  }

  test('open for 300 s at least, whenever they were sealed', () => {
    for (const keyAge of [0, 1_000, 150_000, 299_000]) {
      expect(effectsOf(held(299_000, keyAge), 'exchanged')).toHaveLength(1);
    }
  });

  test('and for 600 s at most', () => {
    for (const keyAge of [0, 1_000, 150_000, 299_000]) expect(dropsOf(held(601_000, keyAge))).toEqual(['biscuit']);
  });
});
