/** How exchanges ended and what their decapsulations took, since the start (V8). */
import type { DropReason, Role } from '@labmesh/rosenpass/effects';
import type { StepJob } from '@labmesh/rosenpass/steps/step-job';
import type { TunnelView } from '@labmesh/wire/tunnel';

/** With a known peer these end an exchange; all other reasons refuse a datagram, and the exchange goes on. */
const failures = ['timeout', 'version', 'encoding', 'decaps_auth'] as const satisfies readonly DropReason[];
type Result = 'ok' | (typeof failures)[number];

/** Steps that take a McEliece ciphertext apart: the answer's first half, and the initiator's last step. */
const decapsulating: readonly StepJob['step'][] = ['open', 'complete'];

export class ExchangeCounts {
  readonly #ends = new Map<`${Role} ${Result}`, number>();
  #decapsulations = 0;
  #tookMs = 0;

  ended(role: Role): void {
    this.#add(role, 'ok');
  }

  /** `role`: ours. Whatever else was refused is no end. */
  dropped(role: Role, reason: DropReason): void {
    const failure = failures.find((one) => one === reason);
    if (failure !== undefined) this.#add(role, failure);
  }

  /** `tookMs` with the wait for a thread: what the other side waits, too. */
  stepped(step: StepJob['step'], tookMs: number): void {
    if (!decapsulating.includes(step)) return;
    this.#decapsulations++;
    this.#tookMs += tookMs;
  }

  view(): Required<Pick<TunnelView, 'exchangeEnds' | 'decapsulations'>> {
    const exchangeEnds = [...this.#ends].map(([key, count]) => {
      const [role, result = ''] = key.split(' ');
      return { role: role === 'initiator' ? ('initiator' as const) : ('responder' as const), result, count };
    });
    return { exchangeEnds, decapsulations: { count: this.#decapsulations, seconds: this.#tookMs / 1_000 } };
  }

  #add(role: Role, result: Result): void {
    const key = `${role} ${result}` as const;
    this.#ends.set(key, (this.#ends.get(key) ?? 0) + 1);
  }
}
