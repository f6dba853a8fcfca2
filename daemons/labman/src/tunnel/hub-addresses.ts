/**
 * Where the hub is dialled (tunnel N2): its two names, all addresses of each in turn, the one that answered kept.
 *
 *     no answer to the exchange for 2 s ──▶ next address of its name ──answered──▶ that one stays
 *                                                │
 *                      WireGuard without session ┴▶ the same address, if its name has it; else its own next one
 *
 * WireGuard's live session is left where it is, even if its name has lost the address: what an exchange lacks need not be
 * the way, and a resolver need not be right. It ends by itself after 180 s; then what the name says now has its turn.
 */
import { type Lookup, NamedEndpoint } from '@labmesh/tunnel/named-endpoint';
import type { HubPlace, Reached } from './hub-peer.ts';

/** From one address to the next. */
export const turnMs = 2_000;
/** WireGuard tries each 5 s to 5.3 s (5.9): an address gets one try at least. */
const wireguardTurns = 3;
/** Names that never had an answer are asked again after so many turns. */
const askAgainTurns = 5;

type Sight = {
  /** For how long an exchange has gone unanswered, ms; 0: none is waited for. */
  unansweredMs: number;
  /** Whether WireGuard has a session, as the device tells it now. */
  hasSession: () => Promise<boolean>;
};

export class HubAddresses {
  readonly #lookup: Lookup | undefined;
  #wireguard: NamedEndpoint | undefined;
  #rosenpass: NamedEndpoint | undefined;
  /** Since WireGuard's own last one. */
  #turns = 0;
  /** With a name of which nothing is known. */
  #turnsBlind = 0;

  /** `lookup`: another resolver, for tests. */
  constructor(lookup?: Lookup) {
    this.#lookup = lookup;
  }

  get reached(): Reached {
    return { wireguard: this.#wireguard?.current, rosenpass: this.#rosenpass?.current };
  }
  /** Nothing is known of a name yet, or it has addresses to choose from. */
  get isOpen(): boolean {
    return this.#names().some(({ count }) => count !== 1);
  }

  /** The hub is there. What is known of a name that stays is kept: a registration says nothing of its addresses. */
  point({ wireguard, rosenpass }: HubPlace): void {
    this.#wireguard = this.#named(this.#wireguard, wireguard);
    this.#rosenpass = rosenpass && this.#named(this.#rosenpass, rosenpass);
  }

  /** Asks for both names; gives whether one of them leads elsewhere now. */
  resolve(hasSession: Sight['hasSession']): Promise<boolean> {
    return this.#hasMoved(async () => {
      const isLive = this.#wireguard?.current !== undefined && (await hasSession());
      await Promise.all([this.#wireguard?.resolve(isLive), this.#rosenpass?.resolve()]);
    });
  }

  /** A turn has passed. Gives whether the hub is to be dialled elsewhere now. */
  turn({ unansweredMs, hasSession }: Sight): Promise<boolean> {
    return this.#hasMoved(async () => {
      this.#turns++;
      if (this.#names().some(({ count }) => count === 0) && ++this.#turnsBlind % askAgainTurns === 0)
        await this.resolve(hasSession);
      const isUnanswered = unansweredMs >= turnMs;
      if (isUnanswered) this.#rosenpass?.advance();
      const isDue = this.#turns >= wireguardTurns;
      if ((!isUnanswered && !isDue) || !this.#hasChoice || (await hasSession())) return;
      if (!this.#follow(isUnanswered) && isDue) this.#wireguard?.advance();
      if (isDue) this.#turns = 0;
    });
  }

  /** An exchange ended with this address. Gives whether the hub is to be dialled elsewhere now. */
  answered(address: string, hasSession: Sight['hasSession']): Promise<boolean> {
    return this.#hasMoved(async () => {
      this.#rosenpass?.take(address);
      if (!this.#hasChoice || (await hasSession())) return;
      if (this.#follow(true)) this.#turns = 0;
    });
  }

  get #hasChoice(): boolean {
    return (this.#wireguard?.count ?? 0) > 1;
  }

  /** WireGuard is dialled where the exchange is, if its name has that address; gives whether. */
  #follow(isAsked: boolean): boolean {
    const at = this.#rosenpass?.current?.address;
    if (!isAsked || at === undefined) return false;
    this.#wireguard?.take(at);
    return this.#wireguard?.current?.address === at;
  }

  async #hasMoved(work: () => Promise<void>): Promise<boolean> {
    const before = JSON.stringify(this.reached);
    await work();
    return JSON.stringify(this.reached) !== before;
  }

  #names(): NamedEndpoint[] {
    return [this.#wireguard, this.#rosenpass].filter((name) => name !== undefined);
  }

  #named(known: NamedEndpoint | undefined, place: HubPlace['wireguard']): NamedEndpoint {
    return known?.isFor(place) === true ? known : new NamedEndpoint(place, this.#lookup);
  }
}
