import type { Clock } from '@labmesh/kit/clock';
import type { ExchangeResult, TunnelPeer } from '@labmesh/wire/tunnel';

/** How long an exchange that was asked for is waited for. */
const waitMs = 10_000;

/** Who asked for an exchange, and waits for its end. */
export class ExchangeWaits {
  readonly #clock: Clock;
  /** Ends of waits, by peer. */
  readonly #waits = new Map<string, Set<(error: string | undefined) => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with undefined when the exchange succeeded, else with why it did not (≤ 10 s); `overdue` says so in the end. */
  async wait(peer: string, overdue: (waited: string) => string): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const patience = new AbortController();
    const waits = this.#waits.get(peer) ?? new Set();
    this.#waits.set(peer, waits.add(resolve));
    void this.#clock.sleep(waitMs, patience.signal).then(
      () => resolve(overdue(`within ${waitMs / 1_000} s`)),
      () => undefined,
    );
    const error = await promise;
    patience.abort();
    waits.delete(resolve);
    if (waits.size === 0) this.#waits.delete(peer);
    return error;
  }

  settle(peer: string, error: string | undefined): void {
    for (const end of this.#waits.get(peer) ?? []) end(error);
  }

  close(): void {
    for (const peer of this.#waits.keys()) this.settle(peer, 'the tunnel was closed');
  }
}

/** `error` undefined: it did well. */
export const exchangeResult = (peer: TunnelPeer, tookMs: number, error: string | undefined): ExchangeResult => ({
  ok: error === undefined,
  tookMs: error === undefined ? Math.round(tookMs) : null,
  error: error ?? null,
  peer,
});
