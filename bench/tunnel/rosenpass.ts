import { createHash } from 'node:crypto';
import type { Effect, Endpoint } from '@labmesh/rosenpass/effects';
import type { ProtocolVersion } from '@labmesh/rosenpass/hash/suite';
import { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { blankMessage, initHelloBytes } from '@labmesh/rosenpass/message/layout';
import { writeMac } from '@labmesh/rosenpass/message/envelope';
import { runStep } from '@labmesh/rosenpass/steps/run-step';
import { openOwnKey, openStepContext, type StepContext } from '@labmesh/rosenpass/steps/step-context';
import { median } from '../percentile.ts';

/**
 * CPU milliseconds per handshake, by step: S1 and S3 at the initiator, S2 and S4 at the responder, S5 with S4. U = one
 * SHAKE256 over a public key by node:crypto; `_u` = that many U.
 */
type HandshakeFigures = {
  s1_ms: number;
  s2_ms: number;
  s3_ms: number;
  s4_s5_ms: number;
  both_ms: number;
  both_u: number;
};
type Prefixed<Name extends string> = { [Key in keyof HandshakeFigures as `${Name}_${Key}`]: number };

export type RosenpassFigures = Prefixed<'v03'> &
  Prefixed<'v02'> & {
    shake_u_ms: number;
    v02_over_v03: number;
    /** Datagrams of noise: refused by their mac. CPU of the main thread. */
    junk_mac_us: number;
    junk_mac_u: number;
    junk_mac_per_s: number;
    /** InitHello of noise with a right mac, 2,000 a second from 200 sources: refused by rate, cookie or queue. */
    junk_rate_us: number;
    junk_rate_u: number;
    junk_rate_per_s: number;
  };

const rounds = 5;
const calls = { shake: 40, handshakes: 10, junk: 5_000 } as const;
const steps = ['s1_ms', 's2_ms', 's3_ms', 's4_s5_ms'] as const;
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

/** CPU of the process since it began, ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A key exchange and its worker in one thread. */
class Side {
  readonly exchange: KeyExchange;
  readonly at: Endpoint;
  readonly key: { fingerprint: string; prefixes: Uint8Array };
  readonly #context: StepContext;

  constructor(base: StepContext, keys: Map<string, Uint8Array>, address: string) {
    const { publicKey, secretKey } = generateKeyPair(random, 'pc');
    const own = openOwnKey(base.suites, publicKey, secretKey);
    this.key = { fingerprint: fingerprintOf(publicKey), prefixes: own.prefixes };
    keys.set(this.key.fingerprint, publicKey);
    this.#context = { ...base, ownKeys: new Map([[0, own]]) };
    this.exchange = new KeyExchange({ suites: base.suites, random, workers: 1, cookie: 'auto' }, 0);
    this.exchange.addOwnKey({ index: 0, ...this.key });
    this.at = { address, port: 9999 };
  }

  /** Runs the jobs of these effects; the datagram that comes out at the end. */
  sent(effects: readonly Effect[], now: number): Uint8Array {
    const todo = [...effects];
    for (let effect = todo.shift(); effect !== undefined; effect = todo.shift()) {
      if (effect.effect === 'send') return effect.bytes;
      if (effect.effect !== 'compute') continue;
      todo.push(...this.exchange.computed(effect.jobId, runStep(this.#context, effect.job), now));
    }
    throw new Error('the handshake stopped');
  }
}

/** Handshakes of one version between two sides, two minutes apart on their clock. */
class Handshakes {
  readonly #initiator: Side;
  readonly #responder: Side;
  #now = 0;

  constructor(base: StepContext, keys: Map<string, Uint8Array>, version: ProtocolVersion) {
    const [a, b] = [new Side(base, keys, '192.0.2.1'), new Side(base, keys, '192.0.2.2')];
    [this.#initiator, this.#responder] = [a, b];
    const common = { ownKey: 0, version, ciphertext: 'pc188' } as const;
    b.exchange.addPeer({ ...common, id: 'a', key: a.key, schedule: 'hub' }, 0);
    const begun = a.exchange.addPeer({ ...common, id: 'b', key: b.key, schedule: 'node', endpoint: b.at }, 0);
    this.#finish(a.sent(begun, 0));
  }

  /** CPU of each step, ms. */
  run(count: number): Record<(typeof steps)[number], number> {
    const sums = [0, 0, 0, 0];
    for (let n = 0; n < count; n++) {
      const marks = [cpuMs()];
      const now = (this.#now += 120_000);
      const initHello = this.#initiator.sent(this.#initiator.exchange.startExchange('b', now), now);
      marks.push(cpuMs());
      marks.push(...this.#finish(initHello));
      for (let step = 0; step < 4; step++) sums[step] = (sums[step] ?? 0) + (marks[step + 1] ?? 0) - (marks[step] ?? 0);
    }
    const [s1 = 0, s2 = 0, s3 = 0, s4 = 0] = sums.map((sum) => sum / count);
    return { s1_ms: s1, s2_ms: s2, s3_ms: s3, s4_s5_ms: s4 };
  }

  /** From InitHello to EmptyData; the CPU time after S2, S3 and S5. */
  #finish(initHello: Uint8Array): number[] {
    const [a, b, now] = [this.#initiator, this.#responder, this.#now];
    const respHello = b.sent(b.exchange.datagram(initHello, a.at, now), now);
    const second = cpuMs();
    const initConf = a.sent(a.exchange.datagram(respHello, b.at, now), now);
    const third = cpuMs();
    const emptyData = b.sent(b.exchange.datagram(initConf, a.at, now), now);
    a.exchange.datagram(emptyData, b.at, now);
    return [second, third, cpuMs()];
  }
}

/** A responder under junk; what a worker is asked to do fails at once and is not counted. */
class Flood {
  readonly #side: Side;
  readonly #noise: Uint8Array[];
  readonly #hellos: Uint8Array[];
  #now = 0;

  constructor(base: StepContext, keys: Map<string, Uint8Array>) {
    this.#side = new Side(base, keys, '192.0.2.3');
    const message = () => {
      const junk = blankMessage('initHello', initHelloBytes('pc188'));
      junk.set(random(junk.length - 4), 4);
      return junk;
    };
    this.#noise = Array.from({ length: 64 }, message);
    this.#hellos = Array.from({ length: 1024 }, message);
    for (const hello of this.#hellos) writeMac(base.suites.V03, this.#side.key.prefixes, hello);
  }

  noise(): void {
    const { exchange, at } = this.#side;
    for (let n = 0; n < calls.junk; n++) exchange.datagram(this.#noise[n % 64] ?? new Uint8Array(), at, this.#now);
  }

  hellos(): void {
    const { exchange } = this.#side;
    for (let n = 0; n < calls.junk; n++) {
      this.#now += 0.5;
      const source = { address: `203.0.113.${n % 200}`, port: n };
      const effects = exchange.datagram(this.#hellos[n % 1024] ?? new Uint8Array(), source, this.#now);
      for (const effect of effects) {
        if (effect.effect !== 'compute') continue;
        exchange.computed(effect.jobId, { step: 'failed', reason: 'decaps_auth' }, this.#now);
      }
    }
  }
}

function perCall(work: () => void, count: number): number {
  const before = cpuMs();
  work();
  return (cpuMs() - before) / count;
}

/**
 * A whole handshake of each version, and junk, without sockets and threads: medians of 5 alternating rounds after a
 * warm-up. About 20 s.
 */
export async function measureRosenpass(): Promise<RosenpassFigures> {
  const keys = new Map<string, Uint8Array>();
  const base = await openStepContext(keys, random);
  const versions = { v03: new Handshakes(base, keys, 'V03'), v02: new Handshakes(base, keys, 'V02') };
  const flood = new Flood(base, keys);
  const [publicKey = random(1)] = keys.values();
  const shake = () => {
    for (let n = 0; n < calls.shake; n++) createHash('shake256', { outputLength: 32 }).update(publicKey).digest();
  };
  const round = () => ({
    u: perCall(shake, calls.shake),
    v03: versions.v03.run(calls.handshakes),
    v02: versions.v02.run(calls.handshakes),
    noise: perCall(() => flood.noise(), calls.junk),
    hellos: perCall(() => flood.hellos(), calls.junk),
  });
  round();
  const runs = Array.from({ length: rounds }, round);
  const of = (value: (run: ReturnType<typeof round>) => number) => median(runs.map(value));
  const both = (run: ReturnType<typeof round>, name: 'v02' | 'v03') =>
    steps.reduce((sum, step) => sum + run[name][step], 0);
  const handshake = (name: 'v02' | 'v03') => ({
    ...Object.fromEntries(steps.map((step) => [`${name}_${step}`, of((run) => run[name][step])])),
    [`${name}_both_ms`]: of((run) => both(run, name)),
    [`${name}_both_u`]: of((run) => both(run, name) / run.u),
  });
  return {
    ...(handshake('v03') as Prefixed<'v03'>),
    ...(handshake('v02') as Prefixed<'v02'>),
    shake_u_ms: of((run) => run.u),
    v02_over_v03: of((run) => both(run, 'v02') / both(run, 'v03')),
    junk_mac_us: of((run) => run.noise * 1000),
    junk_mac_u: of((run) => run.noise / run.u),
    junk_mac_per_s: of((run) => 1000 / run.noise),
    junk_rate_us: of((run) => run.hellos * 1000),
    junk_rate_u: of((run) => run.hellos / run.u),
    junk_rate_per_s: of((run) => 1000 / run.hellos),
  };
}
