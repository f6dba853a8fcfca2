/**
 * Everything that a hostile network can do with what it has seen (acceptance A3, A4, D1–D5), beside two peers that go on
 * exchanging over a bad wire: recorded datagrams of every type come again, cut, lengthened, flipped, with their mac put
 * right, as another type, to the wrong side, from the peers' own addresses and from as many others as there are datagrams.
 *
 *     LABMESH_FUZZ_DATAGRAMS=1000000 bun test packages/rosenpass/src/key-exchange-attack.test.ts --timeout 1800000
 */
import { expect, test } from 'bun:test';
import type { Endpoint } from './effects.ts';
import { sealCookieReply } from './message/cookie-reply.ts';
import { messageType } from './message/layout.ts';
import { Pair } from './testing/pair.ts';
import { effectsOf, type Party } from './testing/party.ts';
import { remac } from './testing/remac.ts';
import { seededRandom } from './testing/scripted-random.ts';

const datagrams = Number(process.env['LABMESH_FUZZ_DATAGRAMS'] ?? 20_000);
/** D5. */
const amplificationMax = 1.04;
const corpusMax = 400;
const heapGrowthMax = 4 * 1024 * 1024;
const dialects = [
  { version: 'V03', ciphertext: 'pc188' },
  { version: 'V02', ciphertext: 'pc188' },
  { version: 'V03', ciphertext: 'r4-156' },
  { version: 'V02', ciphertext: 'r4-156' },
] as const;

/** Whole numbers below `end`, from a seed. */
function dice(seed: number) {
  const random = seededRandom(seed);
  return (end: number) => new DataView(random(4).buffer).getUint32(0) % end;
}
type Dice = ReturnType<typeof dice>;

const keyOf = ({ address, port }: Endpoint) => `${address} ${port}`;

class Attack {
  readonly pair: Pair;
  readonly #roll: Dice;
  /** What went over the wire, oldest first. */
  readonly #corpus: Uint8Array[] = [];
  /** Bytes that a stranger may still be sent, by its address. */
  readonly #credit = new Map<string, number>();
  readonly #own: Set<string>;
  readonly kinds: Record<string, number> = {};
  readonly drops: Record<string, number> = {};
  readonly keys = { a: new Set<string>(), b: new Set<string>() };
  sent = 0;
  answers = 0;
  /** Answers that were larger than what they answer allows. */
  amplified = 0;

  constructor(pair: Pair, seed: number) {
    this.pair = pair;
    this.#roll = dice(seed);
    this.#own = new Set([pair.atA, pair.atB].map(keyOf));
    pair.network.watch = (bytes, _from, to) => this.#watch(bytes, to);
  }

  #watch(bytes: Uint8Array, to: Endpoint): boolean {
    if (this.#own.has(keyOf(to))) {
      if (this.#corpus.length === corpusMax) this.#corpus.splice(this.#roll(corpusMax), 1);
      this.#corpus.push(bytes.slice());
      return true;
    }
    this.answers++;
    const left = (this.#credit.get(keyOf(to)) ?? 0) - bytes.length;
    if (left < 0) this.amplified++;
    this.#credit.set(keyOf(to), left);
    return false;
  }

  /** A message that the wire has not shown yet: nobody asks for cookies here. */
  seedCookieReply(): void {
    const { b } = this.pair;
    const hello = this.#corpus.find((bytes) => bytes[0] === messageType.initHello);
    if (hello === undefined) throw new Error('nothing was said yet');
    const { suites, random } = b.context;
    this.#corpus.push(sealCookieReply(suites, b.key.prefixes, hello, new Uint8Array(16).fill(8), random));
  }

  /** One datagram to one side. */
  strike(): void {
    const roll = this.#roll;
    const to = roll(2) === 0 ? this.pair.a : this.pair.b;
    const bytes = this.#forge(to);
    const from = this.#source(to);
    const key = keyOf(from);
    if (!this.#own.has(key)) {
      this.#credit.set(key, (this.#credit.get(key) ?? 0) + bytes.length * amplificationMax);
    }
    this.sent++;
    this.pair.network.apply(to, to.exchange.datagram(bytes, from, this.pair.network.now));
  }

  #source(to: Party): Endpoint {
    const n = this.sent;
    const kind = this.#roll(10);
    // A node's socket is connected: the kernel lets nobody else through (N3). Who overtakes a message could else move the hub.
    if (to === this.pair.a || kind < 3) return to === this.pair.a ? this.pair.atB : this.pair.atA;
    if (kind < 5) return { address: '203.0.113.9', port: 9 };
    return { address: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`, port: 1024 + (n % 60_000) };
  }

  #forge(to: Party): Uint8Array {
    const roll = this.#roll;
    const original = this.#corpus[roll(this.#corpus.length)] ?? new Uint8Array(64);
    const flipped = (times: number) => {
      const bytes = original.slice();
      for (let time = 0; time < times; time++) bytes[roll(bytes.length)]! ^= 1 << roll(8);
      return bytes;
    };
    const forgeries: Record<string, () => Uint8Array> = {
      replayed: () => original.slice(),
      truncated: () => original.slice(0, roll(original.length)),
      lengthened: () => Buffer.concat([original, new Uint8Array(1 + roll(64))]),
      flipped: () => flipped(1 + roll(3)),
      'flipped, mac right': () => remac(flipped(1), to),
      retyped: () => {
        const bytes = original.slice();
        bytes[0] = 0x80 + roll(8);
        return bytes;
      },
      noise: () => crypto.getRandomValues(new Uint8Array(roll(1_500))),
    };
    const names = Object.keys(forgeries);
    const name = names[roll(names.length)]!;
    const kind = `${original[0]?.toString(16)} ${name}`;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    return forgeries[name]!();
  }

  /** Notes what came of it, and forgets it. */
  tally(): void {
    for (const [side, party] of [
      ['a', this.pair.a],
      ['b', this.pair.b],
    ] as const) {
      for (const { osk } of effectsOf(party.effects, 'exchanged'))
        this.keys[side].add(Buffer.from(osk).toString('hex'));
      for (const { reason } of effectsOf(party.effects, 'dropped')) this.drops[reason] = (this.drops[reason] ?? 0) + 1;
      party.effects.length = 0;
    }
    this.pair.network.log.length = 0;
    this.#credit.clear();
  }
}

function heapNow(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

for (const [at, dialect] of dialects.entries()) {
  test(`${dialect.version} ${dialect.ciphertext}: nothing thrown, kept or amplified, and the peers go on`, () => {
    const pair = new Pair(40 + at);
    const attack = new Attack(pair, 400 + at);
    pair.join(dialect, dialect);
    pair.network.run(1_000);
    attack.seedCookieReply();
    // Loses, repeats and overtakes.
    pair.network.wire = { loss: 0.05, repeat: 0.1, delay: [1, 300] };
    const count = Math.ceil(datagrams / dialects.length);
    const begun = performance.now();
    let before = 0;
    for (let n = 1; n <= count; n++) {
      attack.strike();
      // A thousand a second.
      pair.network.run(1);
      if (n % 1_000 === 0) attack.tally();
      // Sources are remembered up to a bound, which is reached by then.
      if (n === Math.ceil(count / 4)) before = heapNow();
    }
    attack.tally();
    const grown = heapNow() - before;
    const took = performance.now() - begun;
    // What is begun ends; the next exchange is as any other.
    pair.network.wire = { loss: 0, repeat: 0, delay: [1, 1] };
    pair.network.run(300_000);
    attack.tally();
    const { sent, answers, keys, drops } = attack;
    const rate = Math.round(sent / (took / 1_000));
    console.log(`${dialect.version} ${dialect.ciphertext}:`, {
      sent,
      answers,
      exchanges: keys.a.size,
      rate,
      grown,
      drops,
    });
    expect(attack.amplified).toBe(0);
    expect(Object.keys(attack.kinds).length).toBeGreaterThanOrEqual(5 * 7);
    expect(grown).toBeLessThan(heapGrowthMax);
    for (const party of [pair.a, pair.b]) expect(party.exchange.status()).toEqual({ peers: 1, queued: 0, running: 0 });
    // Whatever one side took for a key, the other has as well; one at least for each two minutes.
    expect([...keys.b].toSorted()).toEqual([...keys.a].toSorted());
    expect(keys.a.size).toBeGreaterThanOrEqual(Math.floor((count + 300_000) / 130_000));
    expect(pair.a.exchange.peerStatus('b')).toMatchObject({ endpoint: pair.atB, initiating: 'idle' });
    expect(pair.b.exchange.peerStatus('a')).toMatchObject({ endpoint: pair.atA, initiating: 'idle' });
  }, 1_800_000);
}
