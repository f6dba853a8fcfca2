/** Floods: D2, D3, D5 and the cheap half of A14, on a driven clock with a worker that takes 35 ms for a step. */
import { describe, expect, test } from 'bun:test';
import type { Effect, Endpoint } from './effects.ts';
import { queueMax } from './exchange/job-queue.ts';
import type { KeyExchangeOptions } from './key-exchange.ts';
import { writeMac } from './message/envelope.ts';
import { blankMessage, messageType } from './message/layout.ts';
import { Pair, tap } from './testing/pair.ts';
import { effectsOf, type Party } from './testing/party.ts';
import { remac } from './testing/remac.ts';

let drawn = 0;

/** An InitHello of noise with a right mac: all that a stranger can make who knows the public key. */
function junkFor(party: Party): Uint8Array {
  const junk = blankMessage('initHello', 1092);
  for (let at = 4; at < 12; at++) junk[at] = (++drawn * 7 + at) & 255;
  new DataView(junk.buffer).setUint32(4, drawn);
  return remac(junk, party);
}

const stranger = (n: number): Endpoint => ({ address: `203.0.${(n >> 8) & 255}.${n & 255}`, port: 1 + (n % 60_000) });

/** How often each reason and effect stands among these. */
function counted(effects: readonly Effect[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const effect of effects) {
    const name = effect.effect === 'dropped' ? effect.reason : effect.effect;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function slowPair(options: Partial<KeyExchangeOptions> = {}): Pair {
  const pair = new Pair(9, options);
  pair.network.stepMs = 35;
  return pair;
}

describe('junk with a valid mac (D3)', () => {
  test('from one source: 10 at once, then 5 a second', () => {
    const pair = slowPair();
    const from = stranger(1);
    for (let n = 0; n < 100; n++) pair.deliver(pair.b, junkFor(pair.b), { ...from, port: n });
    pair.network.run(1_000);
    expect(counted(pair.b.effects)).toEqual({ decaps_auth: 10, rate: 90 });
    for (let n = 0; n < 100; n++) pair.deliver(pair.b, junkFor(pair.b), from);
    pair.network.run(1_000);
    expect(counted(pair.b.effects)).toEqual({ decaps_auth: 15, rate: 185 });
  });

  test('from one /64: as from one source', () => {
    const pair = slowPair();
    for (let n = 0; n < 50; n++) {
      pair.deliver(pair.b, junkFor(pair.b), { address: `2001:db8:0:1::${n.toString(16)}`, port: 1 });
    }
    pair.network.run(1_000);
    expect(counted(pair.b.effects)).toEqual({ decaps_auth: 10, rate: 40 });
  });

  test('from everywhere: RP_UNKNOWN, 10 a second for each worker', () => {
    for (const workers of [1, 3]) {
      const pair = slowPair({ workers });
      for (let ms = 0; ms < 10_000; ms += 5) {
        pair.deliver(pair.b, junkFor(pair.b), stranger(ms));
        pair.network.run(5);
      }
      pair.network.run(100);
      const { decaps_auth: tried = 0, cookie = 0 } = counted(pair.b.effects);
      expect(tried).toBeGreaterThanOrEqual(100 * workers);
      expect(tried).toBeLessThanOrEqual(110 * workers);
      expect(tried + cookie).toBe(2_000);
    }
  });

  test('holds up no known peer by more than 2 s', () => {
    const pair = slowPair();
    pair.join();
    pair.network.run(1_000);
    expect(effectsOf(pair.a.effects, 'exchanged')).toHaveLength(1);
    for (let ms = 0; ms < 30_000; ms += 1) {
      pair.deliver(pair.b, junkFor(pair.b), stranger(ms));
      pair.network.run(1);
      if (ms % 5_000 === 0) {
        pair.network.apply(pair.a, pair.a.exchange.startExchange('b', pair.network.now));
      }
    }
    const asked = pair.network.log.filter(({ party, effect }) => party === pair.b && effect.effect === 'exchanged');
    const times = asked.map(({ at }) => at).slice(1);
    expect(times).toHaveLength(6);
    for (const [n, at] of times.entries()) expect(at - (1_000 + 5_000 * n)).toBeLessThan(2_000);
    expect(pair.b.exchange.status().queued).toBeLessThanOrEqual(queueMax);
  });
});

describe('a flood from everywhere shuts out nobody', () => {
  /** 2,000 junk a second from 200 sources, `ms` long. */
  function flood(pair: Pair, ms: number): void {
    for (const end = pair.network.now + ms; pair.network.now < end;) {
      for (let n = 0; n < 10; n++) pair.deliver(pair.b, junkFor(pair.b), stranger(drawn % 200));
      pair.network.run(5);
    }
  }

  test('a node from a new address is asked to prove it, and is served within 2 s (D3)', () => {
    const pair = slowPair();
    const replies = tap(pair.network, messageType.cookieReply);
    flood(pair, 2_000);
    expect(replies.length).toBeGreaterThan(0);
    replies.length = 0;
    pair.join();
    flood(pair, 2_000);
    expect(effectsOf(pair.a.effects, 'exchanged')).toHaveLength(1);
    const toNode = (effect: Effect) => effect.effect === 'dropped' && effect.source?.address === pair.atA.address;
    expect(pair.b.effects.filter(toNode)).toMatchObject([{ reason: 'cookie' }]);
  });

  test('a hub that starts anew gets all its nodes back', () => {
    const pair = slowPair();
    flood(pair, 1_000);
    const nodes = Array.from({ length: 30 }, (_, n) => pair.party({ address: `10.6.0.${n}`, port: 9999 }));
    for (const [n, node] of nodes.entries()) pair.introduce(pair.b, node, { id: `node-${n}`, schedule: 'hub' });
    for (const node of nodes) pair.introduce(node, pair.b, { id: 'hub', schedule: 'node', endpoint: pair.atB });
    // 70 ms a node, beside 20 tries a second that the flood gets.
    flood(pair, 12_000);
    expect(nodes.filter((node) => effectsOf(node.effects, 'exchanged').length === 0)).toEqual([]);
  });

  test('where a peer was it needs no cookie: old Rosenpass cannot answer', () => {
    const pair = slowPair();
    pair.join();
    pair.network.run(1_000);
    // Away for longer than its key lives.
    const { watch } = pair.network;
    pair.network.watch = (_bytes, _from, to) => to.address !== pair.atB.address;
    pair.network.run(400_000);
    expect(effectsOf(pair.b.effects, 'stale')).toHaveLength(1);
    flood(pair, 1_000);
    pair.network.watch = watch;
    const replies = tap(pair.network, messageType.cookieReply);
    pair.network.apply(pair.a, pair.a.exchange.startExchange('b', pair.network.now));
    flood(pair, 2_000);
    expect(effectsOf(pair.b.effects, 'exchanged')).toHaveLength(2);
    const toNode = (effect: Effect) => effect.effect === 'dropped' && effect.source?.address === pair.atA.address;
    expect(pair.b.effects.filter(toNode)).toEqual([]);
    expect(replies.length).toBeGreaterThan(0);
  });

  test('RP_COOKIES: a burst of 200 answers at most', () => {
    const pair = slowPair();
    const replies = tap(pair.network, messageType.cookieReply);
    for (let n = 0; n < 3_000; n++) pair.deliver(pair.b, junkFor(pair.b), stranger(n));
    expect(replies).toHaveLength(200);
    expect(counted(pair.b.effects)).toMatchObject({ cookie: 200, rate: 2_790 });
    // One a millisecond from then on.
    pair.network.run(100);
    for (let n = 0; n < 3_000; n++) pair.deliver(pair.b, junkFor(pair.b), stranger(3_000 + n));
    expect(replies).toHaveLength(300);
  });
});

describe('nodes that start at once', () => {
  test('300 of them are served at the pace of the worker (H5)', () => {
    const pair = slowPair();
    const nodes = Array.from({ length: 300 }, (_, n) => {
      const node = pair.party({ address: `10.7.${n >> 8}.${n & 255}`, port: 9999 });
      pair.introduce(pair.b, node, { id: `node-${n}`, schedule: 'hub' });
      return node;
    });
    for (const node of nodes) pair.introduce(node, pair.b, { id: 'hub', schedule: 'node', endpoint: pair.atB });
    // 70 ms a node here: two steps of 35 ms.
    pair.network.run(300 * 70 * 1.5);
    const served = nodes.filter((node) => effectsOf(node.effects, 'exchanged').length > 0).length;
    expect(served).toBeGreaterThanOrEqual(297);
    expect(counted(pair.b.effects).replay ?? 0).toBe(0);
  });
});

describe('the queue', () => {
  test('keeps half for sources with a live session; nothing is worked on twice', () => {
    const pair = slowPair({ workers: 8 });
    pair.network.stepMs = 10_000;
    const hellos = Array.from({ length: 60 }, () => junkFor(pair.b));
    for (const [n, hello] of hellos.entries()) pair.deliver(pair.b, hello, stranger(n));
    // 8 with the workers and 32 in line.
    expect(pair.b.exchange.status()).toMatchObject({ running: 8, queued: 32 });
    expect(counted(pair.b.effects)).toEqual({ queue: 20 });
    for (const [n, hello] of hellos.entries()) pair.deliver(pair.b, hello, stranger(n));
    expect(pair.b.exchange.status()).toMatchObject({ running: 8, queued: 32 });
    pair.network.run(100_000);
    expect(pair.b.exchange.status()).toMatchObject({ running: 0, queued: 0 });
    const { decaps_auth } = counted(pair.b.effects);
    expect(decaps_auth).toBe(40);
  });

  test('own exchanges wait until there is room', () => {
    const pair = slowPair();
    pair.network.stepMs = 1_000;
    const others = Array.from({ length: 70 }, (_, n) => pair.party({ address: `10.8.0.${n}`, port: 1 }));
    for (const [n, other] of others.entries()) {
      const endpoint = { address: `10.8.0.${n}`, port: 1 };
      pair.introduce(pair.a, other, { id: `peer-${n}`, schedule: 'foreign', endpoint });
    }
    expect(pair.a.exchange.status()).toMatchObject({ running: 1, queued: queueMax });
    pair.network.run(80_000);
    const statuses = others.map((_, n) => pair.a.exchange.peerStatus(`peer-${n}`)?.initiating);
    expect(statuses.filter((status) => status !== 'hello')).toEqual([]);
  });

  test('the clock is never asked for a moment that is over, however long the queue stays full', () => {
    const pair = slowPair();
    pair.network.stepMs = 400_000;
    const auto = { schedule: 'foreign', version: 'auto', ciphertext: 'auto' } as const;
    pair.network.stepMs = 0;
    pair.introduce(pair.a, pair.b, { ...auto, id: 'b', endpoint: pair.atB });
    pair.network.run(1);
    pair.network.stepMs = 400_000;
    for (let n = 0; n < 70; n++) {
      const other = pair.party({ address: `10.8.0.${n}`, port: 1 });
      pair.introduce(pair.a, other, { ...auto, id: `peer-${n}`, endpoint: { address: `10.8.0.${n}`, port: 1 } });
    }
    // Both what is to be tried in another way and what has expired find no room now.
    let late = 0;
    for (let ms = 0; ms < 200_000; ms += 50) {
      const asked = effectsOf(pair.a.exchange.timer(pair.network.now), 'timerAt').at(-1);
      if (asked !== undefined && asked.at <= pair.network.now) late++;
      pair.network.run(50);
    }
    expect(late).toBe(0);
  });

  test('a worker that dies costs what it was doing, no more', () => {
    const pair = slowPair();
    pair.join();
    const { computed } = pair.a.exchange;
    let deaths = 0;
    pair.a.exchange.computed = (jobId, result, now) =>
      computed.call(pair.a.exchange, jobId, deaths++ < 2 ? { step: 'failed', reason: 'worker_lost' } : result, now);
    pair.network.run(5_000);
    expect(counted(pair.a.effects)).toEqual({ queue: 1 });
    pair.network.run(30_000);
    expect(counted(pair.a.effects)).toMatchObject({ queue: 2, exchanged: 1 });
  });
});

describe('cookies (D5)', () => {
  /** A hub whose queue is over half full with what live sources sent. */
  function busy(options: Partial<KeyExchangeOptions> = {}) {
    const pair = slowPair({ workers: 4, ...options });
    for (let n = 0; n < 20; n++) {
      const endpoint = { address: `10.9.0.${n}`, port: 1 };
      const node = pair.party(endpoint);
      pair.introduce(pair.b, node, { id: `node-${n}`, schedule: 'hub' });
      pair.introduce(node, pair.b, { id: 'hub', schedule: 'node', endpoint: pair.atB });
    }
    pair.network.run(20_000);
    pair.network.stepMs = 60_000;
    for (let n = 0; n < 40; n++) pair.deliver(pair.b, junkFor(pair.b), { address: `10.9.0.${n % 20}`, port: 1 });
    expect(pair.b.exchange.status().queued).toBeGreaterThan(32);
    return pair;
  }

  test('a stranger above the rate is asked to prove its address, and then has a rate of its own', () => {
    const pair = busy();
    for (let n = 0; n < 200; n++) pair.deliver(pair.b, junkFor(pair.b), stranger(n));
    const replies = tap(pair.network, messageType.cookieReply);
    const hellos = tap(pair.network, messageType.initHello);
    pair.introduce(pair.b, pair.a, { id: 'a', schedule: 'hub' });
    pair.network.stepMs = 0;
    pair.introduce(pair.a, pair.b, { id: 'b', schedule: 'node', endpoint: pair.atB });
    pair.network.stepMs = 60_000;
    pair.network.run(10);
    expect(replies).toHaveLength(1);
    expect(replies[0]).toHaveLength(hellos[0]!.length);
    expect(hellos).toHaveLength(2);
    expect(hellos[0]!.subarray(0, -16)).toEqual(hellos[1]!.subarray(0, -16));
    expect(hellos[0]!.subarray(-16)).toEqual(new Uint8Array(16));
    // Taken in: no second question.
    const before = pair.b.effects.length;
    pair.network.run(200);
    expect(counted(pair.b.effects.slice(before)).cookie).toBeUndefined();
    // Only that source may use the value, once the others have used up what strangers may have.
    for (let n = 0; n < 20; n++) pair.deliver(pair.b, junkFor(pair.b), stranger(500 + n));
    const stolen = pair.deliver(pair.b, hellos[1]!, stranger(1_000));
    expect(counted(stolen)).toEqual({ cookie: 1 });
  });

  test('whoever forges the address of a living peer cannot starve it: it may prove that it is there', () => {
    const pair = new Pair(9);
    pair.network.stepMs = 35;
    pair.join();
    pair.network.run(5_000);
    const before = effectsOf(pair.b.effects, 'exchanged').length;
    for (let ms = 0; ms < 400_000; ms += 20) {
      pair.deliver(pair.b, junkFor(pair.b), { ...pair.atA, port: 1 + (ms % 60_000) });
      pair.network.run(20);
    }
    expect(effectsOf(pair.b.effects, 'exchanged').length - before).toBeGreaterThanOrEqual(3);
    expect(effectsOf(pair.b.effects, 'stale')).toEqual([]);
  });

  test('nor those of peers that are away: 20 a second from three of them hold up neither them nor a fourth (D3)', () => {
    const pair = slowPair();
    const nodes = Array.from({ length: 4 }, (_, n) => pair.party({ address: `10.5.0.${n}`, port: 9999 }));
    for (const [n, node] of nodes.entries()) {
      pair.introduce(pair.b, node, { id: `node-${n}`, schedule: 'hub' });
      pair.introduce(node, pair.b, { id: 'hub', schedule: 'node', endpoint: pair.atB });
    }
    pair.network.run(5_000);
    const { watch } = pair.network;
    pair.network.watch = (_bytes, _from, to) => to.address !== pair.atB.address;
    pair.network.run(400_000);
    expect(effectsOf(pair.b.effects, 'stale')).toHaveLength(4);
    const forge = (ms: number) => {
      for (const end = pair.network.now + ms; pair.network.now < end; pair.network.run(50)) {
        for (const n of [0, 1, 2]) pair.deliver(pair.b, junkFor(pair.b), { address: `10.5.0.${n}`, port: 1 });
      }
    };
    forge(10_000);
    pair.network.watch = watch;
    const replies = tap(pair.network, messageType.cookieReply);
    const before = nodes.map(({ effects }) => effectsOf(effects, 'exchanged').length);
    for (const node of nodes) pair.network.apply(node, node.exchange.startExchange('hub', pair.network.now));
    forge(2_000);
    const made = nodes.map(({ effects }, n) => effectsOf(effects, 'exchanged').length - before[n]!);
    expect(made).toEqual([1, 1, 1, 1]);
    expect(replies.length).toBeGreaterThan(0);
  });

  test('where a peer may be, V02 is never asked: old Rosenpass cannot answer', () => {
    const pair = busy();
    pair.introduce(pair.b, pair.a, { id: 'a', schedule: 'foreign', endpoint: stranger(7) });
    const replies = tap(pair.network, messageType.cookieReply);
    const oldJunk = () => {
      const junk = junkFor(pair.b);
      writeMac(pair.b.context.suites.V02, pair.b.key.prefixes, junk);
      return junk;
    };
    for (let n = 0; n < 50; n++) pair.deliver(pair.b, oldJunk(), stranger(7));
    expect(replies).toEqual([]);
    expect(counted(pair.b.effects).rate).toBeGreaterThan(30);
  });

  test('off: nobody is asked; always: every stranger is, and gets through with its answer', () => {
    const off = busy({ cookie: 'off' });
    const replies = tap(off.network, messageType.cookieReply);
    for (let n = 0; n < 200; n++) off.deliver(off.b, junkFor(off.b), stranger(n));
    expect(replies).toEqual([]);

    const always = slowPair({ cookie: 'always' });
    const asked = tap(always.network, messageType.cookieReply);
    always.join();
    always.network.run(1_000);
    expect(asked).toHaveLength(1);
    expect(always.keys[0]).toBeDefined();
    expect(always.keys[0]).toBe(always.keys[1]);
  });

  test('in peace the field is not judged', () => {
    const pair = new Pair();
    const hellos = tap(pair.network, messageType.initHello);
    pair.network.watch = (
      (watch) => (bytes, from, to) =>
        watch(bytes, from, to) && bytes[0] !== messageType.initHello
    )(pair.network.watch);
    pair.join();
    pair.network.run(10);
    const odd = hellos[0]!.slice().fill(1, -16);
    pair.deliver(pair.b, odd, pair.atA);
    pair.network.run(100);
    expect(pair.keys[0]).toBeDefined();
  });

  test('the initiator keeps a value for 120 s, and does not go on about the same one', () => {
    const pair = slowPair({ cookie: 'always' });
    const [hellos, replies] = [tap(pair.network, messageType.initHello), tap(pair.network, messageType.cookieReply)];
    const confirmations = tap(pair.network, messageType.initConf);
    pair.join();
    pair.network.run(1_000);
    const zeros = new Uint8Array(16);
    expect(hellos.map((hello) => hello.subarray(-16).every((byte) => byte === 0))).toEqual([true, false]);
    expect(confirmations[0]!.subarray(-16)).not.toEqual(zeros);
    const again = pair.deliver(pair.a, replies[0]!, pair.atB);
    expect(counted(again)).toEqual({ state: 1 });
    pair.network.run(121_000);
    // The next exchange, 110-120 s later, still has it; the one after that has not.
    expect(hellos[2]!.subarray(-16)).not.toEqual(zeros);
    pair.network.run(121_000);
    expect(hellos.at(-1)).toHaveLength(1092);
    expect(hellos[3]!.subarray(-16)).toEqual(zeros);
  });
});
