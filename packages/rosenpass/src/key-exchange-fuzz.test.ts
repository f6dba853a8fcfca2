/** Acceptance A3: whatever arrives, nothing throws, and nothing but a whole message in its place changes anything. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { DropReason, Effect } from './effects.ts';
import { sealCookieReply } from './message/cookie-reply.ts';
import { messageType } from './message/layout.ts';
import { Pair, tap } from './testing/pair.ts';
import { dropsOf, effectsOf, type Party } from './testing/party.ts';
import { remac } from './testing/remac.ts';

type Name = keyof typeof messageType;

/** A pair stopped at the moment when `name` is due; the message, its receiver and its sender. */
function stoppedAt(name: Name) {
  const pair = new Pair(3);
  const seen = tap(pair.network, messageType[name === 'cookieReply' ? 'initHello' : name]);
  const held = name === 'cookieReply' ? messageType.initHello : messageType[name];
  const { watch } = pair.network;
  pair.network.watch = (bytes, from, to) => watch(bytes, from, to) && bytes[0] !== held;
  pair.join();
  pair.network.run(20);
  const toB = name === 'initHello' || name === 'initConf';
  const [receiver, source] = toB ? [pair.b, pair.atA] : [pair.a, pair.atB];
  const message = name === 'cookieReply' ? cookieReply(pair, seen[0]!) : seen[0]!;
  return { pair, receiver, source, message };
}

function cookieReply(pair: Pair, initHello: Uint8Array): Uint8Array {
  const { suites, random } = pair.b.context;
  return sealCookieReply(suites, pair.b.key.prefixes, initHello, new Uint8Array(16).fill(8), random);
}

/** What stands in front of a peer's door: all that a datagram could change. */
function stateOf(pair: Pair) {
  const { initiating, endpoint, lastExchangeAt, lastRole, version } = pair.a.exchange.peerStatus('b')!;
  return { initiating, endpoint, lastExchangeAt, lastRole, version, b: pair.b.exchange.peerStatus('a') };
}

const harmless = (effects: readonly Effect[]) =>
  effects.every(({ effect }) => effect === 'dropped' || effect === 'timerAt');

/** Flips one bit of each byte before `end`; the reasons for which the results were dropped. */
function flipAll(name: Name, end: number, repair: boolean): Set<DropReason> {
  const { pair, receiver, source, message } = stoppedAt(name);
  const before = stateOf(pair);
  const reasons = new Set<DropReason>();
  for (let at = 0; at < end; at++) {
    const flipped = message.slice();
    flipped[at]! ^= 1 << (at % 8);
    const bytes = repair ? remac(flipped, receiver) : flipped;
    // Each from an address of its own, so that the rate of a source does not hide what else would happen.
    const from = repair ? { address: `10.${at >> 8}.${at & 255}.1`, port: 1 } : source;
    if (repair) pair.network.run(100);
    const effects = pair.deliver(receiver, bytes, from);
    const length = receiver.effects.length - effects.length;
    pair.network.run(0);
    const all = receiver.effects.slice(length).filter((effect) => effect.effect !== 'send');
    for (const reason of dropsOf(all)) reasons.add(reason);
    expect({ at, harmless: harmless(all), drops: dropsOf(all).length }).toEqual({ at, harmless: true, drops: 1 });
  }
  expect(stateOf(pair)).toEqual(before);
  expect(effectsOf(receiver.effects, 'exchanged')).toHaveLength(name === 'emptyData' ? 1 : 0);
  // The whole message still does its work.
  const sends: Uint8Array[] = [];
  pair.network.watch = (bytes) => sends.push(bytes) === 0;
  pair.deliver(receiver, message, source);
  pair.network.run(0);
  if (name === 'emptyData') expect(stateOf(pair).initiating).toBe('idle');
  else expect(sends).toHaveLength(1);
  // A flipped type is another type, or of the wrong length for it.
  for (const reason of ['type', 'length'] as const) reasons.delete(reason);
  return reasons;
}

describe('a flipped bit in every byte that is judged', () => {
  test.each(['initHello', 'respHello', 'initConf', 'emptyData'] as const)('%s', (name) => {
    const end = stoppedAt(name).message.length - 16;
    expect(flipAll(name, end, false)).toEqual(new Set(['mac']));
  });

  test('cookieReply, which has no mac; its padding is nobody’s', () => {
    expect(flipAll('cookieReply', 64, false)).toEqual(new Set(['state', 'cookie']));
  });

  test.each<[Name, DropReason[]]>([
    ['initHello', ['decaps_auth']],
    ['respHello', ['state', 'decaps_auth']],
    ['initConf', ['biscuit', 'decaps_auth']],
    ['emptyData', ['state', 'decaps_auth']],
  ])('%s with its mac put right', (name, reasons) => {
    const end = stoppedAt(name).message.length - 32;
    expect(flipAll(name, end, true)).toEqual(new Set(reasons));
  });
});

describe('datagrams of strangers', () => {
  const pair = new Pair(5);
  pair.join();
  pair.network.run(20);
  const receive = (party: Party, bytes: Uint8Array) => party.exchange.datagram(bytes, pair.atB, pair.network.now);

  test('every length 0…1500 with every type', () => {
    const wrong: string[] = [];
    const reasons = new Set<DropReason>();
    const bytes = new Uint8Array(1500);
    for (let type = 0; type < 256; type++) {
      bytes[0] = type;
      for (let length = 0; length <= 1500; length++) {
        const effects = receive(pair.b, bytes.subarray(0, length));
        const [reason, second] = dropsOf(effects);
        if (reason === undefined || second !== undefined || !harmless(effects)) wrong.push(`${type} ${length}`);
        else reasons.add(reason);
      }
    }
    expect(wrong).toEqual([]);
    expect(reasons).toEqual(new Set(['length', 'type', 'mac', 'state']));
  });

  const sizes = [1092, 1060, 1132, 1100, 176, 64];
  const types = Object.values(messageType);
  const header = fc.tuple(fc.constantFrom(...types), fc.constantFrom(...sizes));

  test('random ones, half of them with type, length and mac of a message', () => {
    const datagram = fc.oneof(
      fc.uint8Array({ maxLength: 1500 }),
      fc.tuple(header, fc.uint8Array({ minLength: 1132, maxLength: 1132 })).map(([[type, size], noise]) => {
        const bytes = noise.slice(0, size);
        bytes.set([type, 0, 0, 0]);
        return remac(bytes, pair.b);
      }),
    );
    const before = stateOf(pair);
    fc.assert(
      fc.property(datagram, (bytes) => {
        const effects = receive(pair.b, bytes);
        pair.b.carryOut(effects, pair.network.now);
        expect(effectsOf(pair.b.effects, 'exchanged')).toHaveLength(1);
        expect(effectsOf(effects, 'send')).toEqual([]);
      }),
      { numRuns: 5_000 },
    );
    expect(stateOf(pair)).toEqual(before);
  });
});
