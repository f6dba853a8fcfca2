/**
 * Everything that a hostile network can do with what it has seen of a session (acceptance A7, D6), beside two ends that go on
 * talking, late and out of order: recorded datagrams of every type come again, cut, lengthened, flipped, with mac1 put right,
 * as another type, to the wrong side, from the ends' own addresses and from others.
 *
 *     LABMESH_FUZZ_DATAGRAMS=1000000 bun test packages/wireguard/src/dataplane/data-plane-attack.test.ts --timeout 1800000
 */
import { expect, test } from 'bun:test';
import { chooseAead } from '../aead/choose-aead.ts';
import { mac1Key } from '../noise/key-derivation.ts';
import { initiationBytes, responseBytes } from '../noise/message-layout.ts';
import { writeMac1 } from '../noise/message-macs.ts';
import { answer, type NodeAndHub, nodeAndHub, request } from './testing/node-and-hub.ts';
import type { Datagram, PlaneEnd } from './testing/plane-network.ts';

const datagrams = Number(process.env['LABMESH_FUZZ_DATAGRAMS'] ?? 20_000);
const corpusMax = 300;
const heapGrowthMax = 4 * 1024 * 1024;
/** Strikes between two words of the ends, and in a millisecond. */
const [wordEvery, strikesPerMs] = [50, 2];

type Roll = (end: number) => number;

/** Whole numbers below `end`, the same in every run (xorshift32). */
function dice(seed: number): Roll {
  let state = seed;
  return (end) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % end;
  };
}

/** One of the forgeries of a recorded datagram. */
function forge(original: Uint8Array, to: PlaneEnd, roll: Roll): Uint8Array {
  const bytes = original.slice();
  const flip = () => void (bytes[roll(bytes.length)]! ^= 1 << roll(8));
  switch (roll(7)) {
    case 0:
      return bytes;
    case 1:
      return bytes.slice(0, roll(bytes.length));
    case 2:
      return Buffer.concat([bytes, new Uint8Array(1 + roll(64))]);
    case 3:
      flip();
      return bytes;
    case 4:
      flip();
      if ([initiationBytes, responseBytes].includes(bytes.length)) writeMac1(bytes, mac1Key(to.publicKey));
      return bytes;
    case 5:
      bytes[0] = roll(6);
      return bytes;
    default:
      return crypto.getRandomValues(new Uint8Array(roll(1_500)));
  }
}

function heapNow(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

/** Two ends that talk, and what came of it. */
class Talk {
  readonly #ends: NodeAndHub;
  readonly #roll: Roll;
  readonly #late: Datagram[] = [];
  readonly #open = { node: new Set<string>(), hub: new Set<string>() };
  /** What was delivered, at most `corpusMax`. */
  readonly corpus: Uint8Array[] = [];
  readonly types = new Set<number>();
  said = 0;
  heard = 0;
  /** Came out twice, or was never said. */
  wrong = 0;

  constructor(ends: NodeAndHub, roll: Roll) {
    this.#ends = ends;
    this.#roll = roll;
    ends.network.carry = (datagram) => this.#carry(datagram);
  }

  #carry(datagram: Datagram): Datagram[] {
    // Nobody overtakes what is late: who comes first with an authentic packet is the peer (roaming).
    if (this.#roll(20) === 0) {
      this.#late.push(datagram);
      return [];
    }
    if (this.corpus.length === corpusMax) this.corpus.splice(this.#roll(corpusMax), 1);
    this.corpus.push(datagram.bytes.slice());
    this.types.add(datagram.bytes[0] ?? 0);
    return [datagram];
  }

  speak(): void {
    const [up, down] = [answer(`up ${this.said}`), request(`down ${this.said}`)];
    this.said += 2;
    this.#open.node.add(Buffer.from(up).toString('hex'));
    this.#open.hub.add(Buffer.from(down).toString('hex'));
    this.#ends.node.send(up);
    this.#ends.hub.send(down);
  }

  listen(): void {
    const { network, node, hub } = this.#ends;
    for (const datagram of this.#late.splice(0)) network.inject(datagram);
    for (const [end, open] of [
      [hub, this.#open.node],
      [node, this.#open.hub],
    ] as const) {
      for (const packet of end.received.splice(0)) {
        this.heard++;
        if (!open.delete(Buffer.from(packet).toString('hex'))) this.wrong++;
      }
    }
    network.log.length = 0;
    network.unanswered.length = 0;
  }
}

/** One forged datagram, from one of the ends' addresses or a stranger's. Gives the bytes that a stranger was sent for it. */
function strike({ network, node, hub }: NodeAndHub, talk: Talk, roll: Roll, n: number): { got: number; gave: number } {
  const to = roll(2) === 0 ? node : hub;
  const bytes = forge(talk.corpus[roll(talk.corpus.length)] ?? new Uint8Array(32), to, roll);
  const stranger = `203.0.${(n >> 8) & 255}.${n & 255}`;
  const from = roll(10) < 3 ? (to === node ? hub.name : node.name) : stranger;
  const logged = network.log.length;
  network.inject({ from, to: to.name, bytes });
  const answers = network.log.slice(logged).filter((one) => one.to === stranger);
  return { got: answers.reduce((sum, one) => sum + one.bytes.length, 0), gave: bytes.length };
}

test('nothing thrown, kept, amplified or taken twice, and the ends go on', async () => {
  const ends = nodeAndHub((await chooseAead()).aead, 25);
  const { network, node, hub } = ends;
  const roll = dice(2_463_534_242);
  const talk = new Talk(ends, roll);
  let [amplified, answered, before] = [0, 0, 0];
  talk.speak();
  const begun = performance.now();
  for (let n = 1; n <= datagrams; n++) {
    const { got, gave } = strike(ends, talk, roll, n);
    if (got > 0) answered++;
    if (got > gave) amplified++;
    if (n % strikesPerMs === 0) network.advance(1);
    if (n % wordEvery === 0) {
      talk.listen();
      talk.speak();
    }
    if (n === Math.ceil(datagrams / 4)) before = heapNow();
  }
  const rate = Math.round(datagrams / ((performance.now() - begun) / 1_000));
  talk.listen();
  const grown = heapNow() - before;
  const { said, heard, wrong } = talk;
  const drops = Object.fromEntries(hub.drops.all());
  console.log('data plane:', { strikes: datagrams, answered, said, heard, rate, grown, drops });
  expect({ wrong, amplified }).toEqual({ wrong: 0, amplified: 0 });
  expect(grown).toBeLessThan(heapGrowthMax);
  for (const type of [1, 2, 4]) expect(talk.types).toContain(type);
  // What is lost is what came too late for a replay window or while keys changed.
  expect(heard).toBeGreaterThan(said * 0.95);
  for (const [end, far] of [
    [hub, node],
    [node, hub],
  ] as const)
    expect(end.plane.peers().map(({ endpoint }) => endpoint)).toEqual([{ address: far.name, port: 1 }]);
  network.carry = (datagram) => [datagram];
  node.send(answer('last'));
  expect(hub.received.at(-1)).toEqual(answer('last'));
}, 1_800_000);
