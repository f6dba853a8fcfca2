/**
 * Where the hub dials clients of other make (tunnel X7). A name is looked up here and followed to all of its addresses (N2):
 *
 *     no address yet, or 30 s without answer ──▶ next address ──all had their turn──▶ the name is asked again
 *
 * The endpoint is Rosenpass's, and WireGuard has the port after it, as `rp` has them (X3); of a plain WireGuard client it is
 * WireGuard's own.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { type Lookup, NamedEndpoint, parseHostPort } from '@labmesh/tunnel/named-endpoint';
import type { Endpoint } from '@labmesh/wireguard/tunnel-device';
import type { TunnelPeerRow } from '../nodes/node-tunnel.ts';

/** Undefined: nowhere, or nowhere yet. */
export type ClientPlace = { rosenpass?: Endpoint | undefined; wireguard?: Endpoint | undefined };

type ClientPlacesParts = {
  /** Another resolver, for tests. */
  lookup?: Lookup | undefined;
  /** The client is dialled elsewhere from now on. */
  onMoved: (id: string) => void;
  clock: Clock;
  log: Logger;
};

type Known = { name: NamedEndpoint; turns: number; turnedAt: number; isAsking: boolean };

/** From one address of a silent client to the next. */
const turnMs = 30_000;
/** Names that are asked at a time; the rest at the next look. */
const lookupsMax = 16;
export const portMax = 65_535;

export class ClientPlaces {
  readonly #parts: ClientPlacesParts;
  /** By peer. */
  readonly #known = new Map<string, Known>();

  constructor(parts: ClientPlacesParts) {
    this.#parts = parts;
  }

  /** What is known of a name that stays is kept. */
  at(row: Pick<TunnelPeerRow, 'id' | 'endpoint' | 'rosenpass_sha256'>): ClientPlace {
    const place = row.endpoint === null ? undefined : parseHostPort(row.endpoint);
    if (place === undefined) {
      this.forget(row.id);
      return {};
    }
    const known = this.#known.get(row.id);
    const name = known?.name.isFor(place) === true ? known.name : new NamedEndpoint(place, this.#parts.lookup);
    if (name !== known?.name) this.#known.set(row.id, { name, turns: 0, turnedAt: -Infinity, isAsking: false });
    const at = name.current;
    if (row.rosenpass_sha256 === null) return { wireguard: at };
    const isLast = at === undefined || at.port === portMax;
    return { rosenpass: at, wireguard: isLast ? undefined : { address: at.address, port: at.port + 1 } };
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  /** Once a second or so. `unansweredMs`: for how long a peer's exchange has gone unanswered. Never rejects. */
  async look(unansweredMs: (id: string) => number): Promise<void> {
    const now = this.#parts.clock.now();
    const due = [...this.#known].filter(
      ([id, { name, turnedAt, isAsking }]) =>
        !name.isAddress && !isAsking && now - turnedAt >= turnMs && (name.count === 0 || unansweredMs(id) >= turnMs),
    );
    await Promise.all(due.slice(0, lookupsMax).map(([id, known]) => this.#turn(id, known, now)));
  }

  async #turn(id: string, known: Known, now: number): Promise<void> {
    const { onMoved, log } = this.#parts;
    const { name } = known;
    known.turnedAt = now;
    known.turns++;
    known.isAsking = true;
    const isRound = known.turns % Math.max(1, name.count) === 0;
    const hasMoved = (isRound && (await name.resolve())) || name.advance();
    known.isAsking = false;
    if (name.count === 0 && known.turns === 1) log.warn('the endpoint of a client has no address yet', { peer: id });
    // It may have been removed, or pointed elsewhere, while the resolver was asked.
    if (hasMoved && this.#known.get(id) === known) onMoved(id);
  }
}
