/** Does what the state machine of the key exchange says: sockets, threads and timers around it. */
import type { Clock } from '@labmesh/kit/clock';
import type { Effect, Endpoint } from '@labmesh/rosenpass/effects';
import type { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import type { Datagrams } from './datagrams.ts';
import type { StepPool } from './steps/step-pool.ts';

/** What the driver does not do itself. */
export type ExchangeNews = Extract<Effect, { effect: 'exchanged' | 'stale' | 'dropped' }>;

export type ExchangeDriverParts = {
  exchange: KeyExchange;
  pool: Pick<StepPool, 'run'>;
  clock: Clock;
  onNews: (news: ExchangeNews) => void;
  /** How long a step took, ms, with the wait for its thread. */
  onStep?: (step: Job['step'], tookMs: number) => void;
};

type Job = Extract<Effect, { effect: 'compute' }>['job'];

export class ExchangeDriver implements Disposable {
  readonly #parts: ExchangeDriverParts;
  #datagrams: Pick<Datagrams, 'send'> | undefined;
  #timer: AbortController | undefined;
  #isClosed = false;

  constructor(parts: ExchangeDriverParts) {
    this.#parts = parts;
  }

  /** Where datagrams leave. Before that they are lost, as on a bad line. */
  attach(datagrams: Pick<Datagrams, 'send'>): void {
    this.#datagrams = datagrams;
  }

  readonly receive = (bytes: Uint8Array, source: Endpoint): void => {
    const { exchange, clock } = this.#parts;
    if (!this.#isClosed) this.perform(exchange.datagram(bytes, source, clock.now()));
  };

  /** What a call of the state machine gave. */
  perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.effect === 'send') this.#datagrams?.send(effect.to, effect.bytes);
      else if (effect.effect === 'compute') void this.#compute(effect.jobId, effect.job);
      else if (effect.effect === 'timerAt') this.#wake(effect.at);
      else this.#parts.onNews(effect);
    }
  }

  async #compute(jobId: number, job: Job): Promise<void> {
    const { exchange, pool, clock, onStep } = this.#parts;
    const [{ step }, begun] = [job, clock.now()];
    const result = await pool.run(job);
    onStep?.(step, clock.now() - begun);
    if (!this.#isClosed) this.perform(exchange.computed(jobId, result, clock.now()));
  }

  #wake(at: number): void {
    const { exchange, clock } = this.#parts;
    this.#timer?.abort();
    const timer = new AbortController();
    this.#timer = timer;
    // Infinity: nothing is waited for.
    if (!Number.isFinite(at)) return;
    clock.sleep(Math.max(0, at - clock.now()), timer.signal).then(
      () => {
        if (!this.#isClosed && this.#timer === timer) this.perform(exchange.timer(clock.now()));
      },
      () => undefined,
    );
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.abort();
  }
}
