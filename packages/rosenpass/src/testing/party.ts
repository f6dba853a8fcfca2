/** A key exchange with its worker in one thread, as tests drive it. */
import type { Effect, Endpoint, PeerOptions } from '../effects.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { KeyExchange, type KeyExchangeOptions } from '../key-exchange.ts';
import { runStep } from '../steps/run-step.ts';
import type { StepContext } from '../steps/step-context.ts';

type Of<Name extends Effect['effect']> = Extract<Effect, { effect: Name }>;

export class Party {
  readonly exchange: KeyExchange;
  readonly context: StepContext;
  /** Every effect so far but `compute`, which is carried out. */
  readonly effects: Effect[] = [];
  /** Of own key 0. */
  readonly key: PeerOptions['key'];

  constructor(context: StepContext, options: Partial<KeyExchangeOptions> = {}, now = 0) {
    const own = context.ownKeys.get(0);
    if (own === undefined) throw new Error('a party has an own key 0');
    this.context = context;
    this.key = { fingerprint: fingerprintOf(own.publicKey), prefixes: own.prefixes };
    const { suites, random } = context;
    this.exchange = new KeyExchange({ suites, random, workers: 1, cookie: 'auto', ...options }, now);
    this.exchange.addOwnKey({ index: 0, ...this.key });
  }

  addPeer(id: string, peer: Party, options: Partial<PeerOptions> = {}, now = 0): Effect[] {
    const rest = { schedule: 'foreign', ownKey: 0, version: 'V03', ciphertext: 'pc188' } as const;
    return this.carryOut(this.exchange.addPeer({ id, key: peer.key, ...rest, ...options }, now), now);
  }

  receive(bytes: Uint8Array, from: Endpoint, now = 0): Effect[] {
    return this.carryOut(this.exchange.datagram(bytes, from, now), now);
  }

  timer(now: number): Effect[] {
    return this.carryOut(this.exchange.timer(now), now);
  }

  /** Runs jobs at once and gives the effects that are left, in order. */
  carryOut(effects: readonly Effect[], now: number): Effect[] {
    const left: Effect[] = [];
    const todo = [...effects];
    for (let effect = todo.shift(); effect !== undefined; effect = todo.shift()) {
      if (effect.effect !== 'compute') left.push(effect);
      else todo.push(...this.exchange.computed(effect.jobId, runStep(this.context, effect.job), now));
    }
    this.effects.push(...left);
    return left;
  }
}

/** The effects of one kind. */
export function effectsOf<Name extends Effect['effect']>(effects: readonly Effect[], name: Name): Of<Name>[] {
  return effects.filter((effect): effect is Of<Name> => effect.effect === name);
}

/** The one message that was sent. */
export function sent(effects: readonly Effect[]): Uint8Array {
  const [message, second] = effectsOf(effects, 'send');
  if (message === undefined || second !== undefined) throw new Error('expected one datagram');
  return message.bytes;
}

/** Why things were dropped, in order. */
export const dropsOf = (effects: readonly Effect[]) => effectsOf(effects, 'dropped').map(({ reason }) => reason);
