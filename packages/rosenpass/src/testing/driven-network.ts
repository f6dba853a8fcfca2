/** Parties on a clock that only the test moves, and wires that lose, delay and repeat what it says. */
import type { Effect, Endpoint } from '../effects.ts';
import { DeadlineHeap, type Timed } from '../exchange/deadline-heap.ts';
import { runStep } from '../steps/run-step.ts';
import type { RandomSource as Random } from '../mceliece/random-source.ts';
import type { Party } from './party.ts';

export type Wire = {
  /** Shares of datagrams, 0-1. */
  loss: number;
  repeat: number;
  /** Each datagram takes between these, ms; so it may overtake another. */
  delay: readonly [number, number];
};

const goodWire: Wire = { loss: 0, repeat: 0, delay: [1, 1] };

type Happening = Timed & { happen: () => void };
type Station = { party: Party; at: Endpoint; timer: Happening };

export class DrivenNetwork {
  now = 0;
  wire: Wire = goodWire;
  /** What every worker takes for a step, ms. */
  stepMs = 0;
  /** Sees every datagram; false: it is lost. */
  watch: (bytes: Uint8Array, from: Endpoint, to: Endpoint) => boolean = () => true;
  readonly #random: Random;
  readonly #happenings = new DeadlineHeap<Happening>();
  readonly #stations = new Map<string, Station>();
  readonly #ofParty = new Map<Party, Station>();
  /** Every effect for the caller, with its moment. */
  readonly log: { at: number; party: Party; effect: Effect }[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  attach(party: Party, at: Endpoint): Endpoint {
    const timer = { deadline: Infinity, heapAt: -1, happen: () => this.apply(party, party.exchange.timer(this.now)) };
    const station = { party, at, timer };
    this.#stations.set(`${at.address} ${at.port}`, station);
    this.#ofParty.set(party, station);
    return at;
  }

  detach(at: Endpoint): void {
    const name = `${at.address} ${at.port}`;
    const station = this.#stations.get(name);
    if (station === undefined) return;
    this.#happenings.delete(station.timer);
    this.#stations.delete(name);
    this.#ofParty.delete(station.party);
  }

  /** Does what a call of the party's exchange gave. */
  apply(party: Party, effects: readonly Effect[]): void {
    const station = this.#ofParty.get(party);
    if (station === undefined) return;
    for (const effect of effects) {
      switch (effect.effect) {
        case 'send':
          this.send(effect.bytes, station.at, effect.to);
          break;
        case 'compute':
          this.after(this.stepMs, () => {
            const result = runStep(party.context, effect.job);
            this.apply(party, party.exchange.computed(effect.jobId, result, this.now));
          });
          break;
        case 'timerAt':
          this.#happenings.set(station.timer, effect.at);
          break;
        case 'exchanged':
        case 'stale':
        case 'dropped':
          party.effects.push(effect);
          this.log.push({ at: this.now, party, effect });
      }
    }
  }

  send(bytes: Uint8Array, from: Endpoint, to: Endpoint): void {
    if (!this.watch(bytes, from, to)) return;
    const { loss, repeat, delay } = this.wire;
    const copies = this.#unit() < repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#unit() < loss) continue;
      this.after(delay[0] + (delay[1] - delay[0]) * this.#unit(), () => {
        const party = this.#stations.get(`${to.address} ${to.port}`)?.party;
        if (party === undefined) return;
        const received = bytes.slice();
        const effects = party.exchange.datagram(received, from, this.now);
        // A socket uses its buffer again: nothing may still look into it.
        received.fill(0);
        this.apply(party, effects);
      });
    }
  }

  after(ms: number, happen: () => void): void {
    this.#happenings.set({ deadline: Infinity, heapAt: -1, happen }, this.now + ms);
  }

  /** Lets everything happen that is due in the next `ms`. */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.#happenings.earliest <= end) {
      this.now = this.#happenings.earliest;
      for (const happening of this.#happenings.takeDue(this.now)) happening.happen();
    }
    this.now = end;
  }

  #unit(): number {
    const [low = 0, high = 0] = this.#random(2);
    return (low + 256 * high) / 65536;
  }
}
