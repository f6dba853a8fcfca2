/**
 * Whether answers that are kept may be given again (verification RP9, CT7): a certificate may be revoked, a suite changed,
 * past this gateway. The arena says it by an epoch for each tenant. It is asked when an answer is wanted, at most once a
 * second and tenant, whatever the number of hits; while nobody wants one, nothing is asked.
 *
 *     wanted ── known and asked for less than a second ago ──▶ stands
 *        └── else asked (those who come meanwhile wait along) ──▶ the same word: stands · another: forgotten · none: unknown
 */
import type { Clock } from '@labmesh/kit/clock';
import { ApiError } from '@labmesh/wire/errors';
import type { ArenaClient, ArenaPayer } from '../arena/arena-client.ts';
import { askEpoch } from '../arena/ask-epoch.ts';

/** So long after it a revocation is known here at the latest. */
export const epochMs = 1_000;

/** `askedAt`: when the question went out, as what changed later is not in its answer. */
type Known = { epoch: string; askedAt: number };

export class ArenaEpochs {
  readonly #arena: ArenaClient;
  readonly #clock: Clock;
  readonly #onChange: (tenant: string) => void;
  /** By tenant; tenants are the operator's, and few. */
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<void>>();

  /** `onChange` is called before anybody is told that something stands. */
  constructor(parts: { arena: ArenaClient; clock: Clock; onChange: (tenant: string) => void }) {
    this.#arena = parts.arena;
    this.#clock = parts.clock;
    this.#onChange = parts.onChange;
  }

  /** False = nobody knows, so that nothing kept may be given. Never rejects for an arena that is away. */
  async isKnown(payer: ArenaPayer): Promise<boolean> {
    const { tenant } = payer;
    if (this.#isFresh(tenant)) return true;
    let asking = this.#asking.get(tenant);
    if (asking === undefined) {
      asking = this.#ask(payer).finally(() => this.#asking.delete(tenant));
      this.#asking.set(tenant, asking);
    }
    await asking;
    return this.#isFresh(tenant);
  }

  #isFresh(tenant: string): boolean {
    const known = this.#known.get(tenant);
    return known !== undefined && this.#clock.now() - known.askedAt < epochMs;
  }

  async #ask(payer: ArenaPayer): Promise<void> {
    const askedAt = this.#clock.now();
    try {
      const epoch = await askEpoch(this.#arena, payer, epochMs);
      const before = this.#known.get(payer.tenant);
      if (before !== undefined && before.epoch !== epoch) this.#onChange(payer.tenant);
      this.#known.set(payer.tenant, { epoch, askedAt });
    } catch (error) {
      // The run that follows meets the same, and tells it.
      if (!(error instanceof ApiError)) throw error;
    }
  }
}
