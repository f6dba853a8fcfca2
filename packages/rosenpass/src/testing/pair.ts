/** Two parties with fake KEMs on one driven network: what most tests begin with. */
import type { Effect, Endpoint, PeerOptions } from '../effects.ts';
import type { KeyExchangeOptions } from '../key-exchange.ts';
import { openSuites } from '../hash/suite.ts';
import { DrivenNetwork } from './driven-network.ts';
import { fakeContext } from './fake-kems.ts';
import { effectsOf, Party } from './party.ts';
import { seededRandom } from './scripted-random.ts';

const suites = await openSuites();

const own = { ownKey: 0, version: 'V03', ciphertext: 'pc188' } as const;

export class Pair {
  readonly network: DrivenNetwork;
  readonly a: Party;
  readonly b: Party;
  readonly atA: Endpoint = { address: '192.0.2.1', port: 9999 };
  readonly atB: Endpoint = { address: '198.51.100.1', port: 9999 };
  readonly #directory = new Map<string, Uint8Array>();
  #seed: number;

  constructor(seed = 1, options: Partial<KeyExchangeOptions> = {}) {
    this.#seed = seed * 100;
    this.network = new DrivenNetwork(seededRandom(this.#seed));
    this.a = this.party(this.atA, options);
    this.b = this.party(this.atB, options);
  }

  /** One more party on the network; it knows nobody. */
  party(at: Endpoint, options: Partial<KeyExchangeOptions> = {}): Party {
    const context = fakeContext(suites, seededRandom(++this.#seed), this.#directory);
    const party = new Party(context, options, this.network.now);
    this.network.attach(party, at);
    return party;
  }

  /** a and b as peers of each other. Whoever has the other's endpoint may begin; here a does. */
  join(a: Partial<PeerOptions> = {}, b: Partial<PeerOptions> = {}): void {
    this.introduce(this.b, this.a, { id: 'a', schedule: 'hub', ...b });
    this.introduce(this.a, this.b, { id: 'b', schedule: 'node', endpoint: this.atB, ...a });
  }

  introduce(to: Party, peer: Party, options: Partial<PeerOptions> & Pick<PeerOptions, 'id' | 'schedule'>): void {
    this.network.apply(to, to.exchange.addPeer({ key: peer.key, ...own, ...options }, this.network.now));
  }

  /** One datagram, as from this source, at the present moment; what came of it. */
  deliver(to: Party, bytes: Uint8Array, from: Endpoint): Effect[] {
    const before = to.effects.length;
    this.network.apply(to, to.exchange.datagram(bytes, from, this.network.now));
    return to.effects.slice(before);
  }

  /** The newest keys of both sides, in hex. */
  get keys(): [a: string | undefined, b: string | undefined] {
    return [lastKey(this.a), lastKey(this.b)];
  }
}

function lastKey(party: Party): string | undefined {
  const osk = effectsOf(party.effects, 'exchanged').at(-1)?.osk;
  return osk && Buffer.from(osk).toString('hex');
}

/** Notes the datagrams of a kind that go over the wire, in order. */
export function tap(network: DrivenNetwork, type: number): Uint8Array[] {
  const seen: Uint8Array[] = [];
  const { watch } = network;
  network.watch = (bytes, from, to) => {
    if (bytes[0] === type) seen.push(bytes.slice());
    return watch(bytes, from, to);
  };
  return seen;
}
