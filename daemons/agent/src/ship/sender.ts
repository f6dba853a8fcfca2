/**
 * The oldest batch to labd, again and again until it is answered (AG-7): one at a time, so what is lost with a link is
 * one batch, sent again under the same id.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { LogAck, logBatchSchema } from '@labmesh/wire/frame/log-batch';
import type { z } from 'zod';
import type { Batch } from './spool/entry.ts';

export type SenderParts = {
  spool: {
    head(): Promise<Batch | undefined>;
    done(id: string, how: 'shipped' | 'dropped'): Promise<void>;
  };
  /** False: not connected, or the socket is full. */
  send: (msg: z.infer<typeof logBatchSchema>) => boolean;
  /** labd has no collector after all. */
  onOff: () => void;
  clock: Clock;
  log: Logger;
};

/** An answer that does not come by then is not waited for: the batch goes again. */
export const answerMs = 30_000;
const unsentRetryMs = 1_000;
/** Waits that labd tells are spread: its agents must not come back in step. */
const spread = 0.5;

export class Sender {
  readonly #parts: SenderParts;
  #isOn = false;
  #wake: () => void = () => {};
  #awaited: { id: string; resolve: (ack: LogAck | undefined) => void } | undefined;
  #doneAt = -Infinity;
  #wasRefused = false;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Whether a batch got through within `ms`. */
  hasFlowed(ms: number): boolean {
    return this.#parts.clock.now() - this.#doneAt < ms;
  }

  /** Sends from now on, or no more; with the link an answer that was awaited is gone. */
  turn(isOn: boolean): void {
    this.#isOn = isOn;
    this.#awaited?.resolve(undefined);
    this.nudge();
  }
  /** There may be something to send. */
  nudge(): void {
    this.#wake();
  }
  /**
   * A `done` that comes while nobody waits for it counts, too: a collector that always takes longer than we wait would
   * else be sent the same batch for ever.
   */
  answered(ack: LogAck): void {
    if (this.#awaited?.id === ack.id) this.#awaited.resolve(ack);
    else if (ack.status === 'done') void this.#done(ack.id, 'shipped').catch(() => undefined);
  }

  async #done(id: string, how: 'shipped' | 'dropped'): Promise<void> {
    await this.#parts.spool.done(id, how);
    this.#doneAt = this.#parts.clock.now();
  }

  /** Until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.turn(false);
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      // Made before the look, so that what comes meanwhile is not slept over.
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const batch = this.#isOn ? await this.#parts.spool.head() : undefined;
      if (batch !== undefined) await this.#sendOnce(batch, signal);
      else if (!signal.aborted) await woken;
    }
    signal.removeEventListener('abort', onAbort);
  }

  async #sendOnce({ id, readAt, lines }: Batch, signal: AbortSignal): Promise<void> {
    const { send, log, onOff } = this.#parts;
    const answer = this.#answerTo(id, signal);
    if (!send({ kind: 'log-batch', id, readAt, lines })) {
      this.#awaited?.resolve(undefined);
      return this.#wait(unsentRetryMs, signal);
    }
    const ack = await answer;
    if (ack === undefined) return;
    if (ack.status === 'off') return onOff();
    if (ack.status === 'retry') return this.#wait(spreadOut(ack.retryAfterMs ?? unsentRetryMs), signal);
    const isRefused = ack.status === 'refused';
    if (isRefused && !this.#wasRefused) log.warn('the collector will never take these lines', { lines: lines.length });
    this.#wasRefused = isRefused;
    await this.#done(id, isRefused ? 'dropped' : 'shipped');
  }

  /** Undefined: it will not come, or not in time. */
  async #answerTo(id: string, signal: AbortSignal): Promise<LogAck | undefined> {
    const over = new AbortController();
    const late = this.#parts.clock.sleep(answerMs, AbortSignal.any([signal, over.signal]));
    try {
      return await new Promise<LogAck | undefined>((resolve) => {
        this.#awaited = { id, resolve };
        late.then(
          () => resolve(undefined),
          () => resolve(undefined),
        );
      });
    } finally {
      this.#awaited = undefined;
      over.abort();
    }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(ms, signal).catch(() => undefined);
  }
}

const spreadOut = (ms: number) => ms * (1 + spread * Math.random());
