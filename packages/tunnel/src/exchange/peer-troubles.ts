/**
 * What goes wrong with the peers of a tunnel (2.9, V10): counted, told once, and kept in words until it is mended. Exchanges
 * that were asked for learn of it here, too.
 */
import type { Effect } from '@labmesh/rosenpass/effects';
import type { PskStatus } from '@labmesh/wireguard/psk/psk-manager';
import type { PeerState } from '@labmesh/wireguard/tunnel-device';
import { HandshakeWaits } from '../device/handshake-waits.ts';
import type { TunnelParts } from '../tunnel-parts.ts';
import type { PeerTally, TunnelPeerSettings } from '../tunnel-peer.ts';
import { DropBook } from './drop-book.ts';
import { ExchangeCounts } from './exchange-counts.ts';
import { ExchangeWaits } from './exchange-waits.ts';
import { dialectMismatch, exchangeTimeout, handshakeTimeout } from './peer-errors.ts';

type Dropped = Extract<Effect, { effect: 'dropped' }>;
type TroubleParts = Pick<TunnelParts, 'device' | 'exchange' | 'clock' | 'log' | 'onEvent'>;

export class PeerTroubles {
  readonly drops: DropBook;
  readonly waits: ExchangeWaits;
  readonly counts = new ExchangeCounts();
  readonly #handshakes = new HandshakeWaits();
  readonly #parts: TroubleParts;

  constructor(parts: TroubleParts) {
    this.#parts = parts;
    this.drops = new DropBook(parts.clock, parts.log);
    this.waits = new ExchangeWaits(parts.clock);
  }

  /** The end of an exchange that was asked for: undefined, or why it failed. */
  wait(peer: string): Promise<string | undefined> {
    return this.waits.wait(peer, (waited) => this.#timeoutText(peer, waited));
  }

  /** `tally` undefined: of no peer that is known. */
  dropped({ peer, reason, detail }: Dropped, tally: PeerTally | undefined): void {
    if (peer === undefined || tally === undefined) return this.drops.add(peer, reason, detail);
    const isOurs = reason === 'timeout' || this.#parts.exchange.peerStatus(peer)?.initiating !== 'idle';
    this.counts.dropped(isOurs ? 'initiator' : 'responder', reason);
    const error = this.#errorText(peer, reason, detail);
    this.drops.add(peer, reason, error ?? detail);
    if (error === undefined) {
      if (reason === 'state' && detail !== undefined) this.waits.settle(peer, detail);
      return;
    }
    const isNews = tally.lastError?.startsWith('ROSENPASS_TIMEOUT') !== true;
    tally.lastError = error;
    if (reason !== 'timeout') this.waits.settle(peer, error);
    else if (isNews) this.#parts.onEvent({ event: 'exchange_timeout', peer, detail: error });
  }

  /** The device was looked at: is somebody left without a handshake? */
  looked(
    peers: readonly TunnelPeerSettings[],
    states: readonly PeerState[],
    pskOf: (id: string) => PskStatus | undefined,
  ): void {
    const { clock, onEvent } = this.#parts;
    const now = { mono: clock.now(), wall: clock.wall() };
    const seen = { states, pskKindOf: (id: string) => pskOf(id)?.pskKind };
    for (const [peer, tried] of this.#handshakes.lookAtAll(peers, seen, now))
      onEvent({ event: 'handshake_timeout', peer, detail: handshakeTimeout('for 30 s', tried, this.#where) });
  }

  /** Undefined: none is missing, or not for long. */
  handshakeError(peer: string): string | undefined {
    const tried = this.#handshakes.told(peer);
    return tried && handshakeTimeout('for over 30 s', tried, this.#where);
  }

  /** Undefined: nothing that somebody has to mend. */
  #errorText(peer: string, reason: Dropped['reason'], detail: string | undefined): string | undefined {
    if (reason === 'version' || reason === 'encoding') return dialectMismatch(reason, detail);
    if (reason !== 'timeout') return undefined;
    const { exchange, clock } = this.#parts;
    const since = exchange.peerStatus(peer)?.unanswered?.since;
    return this.#timeoutText(peer, since === undefined ? 'yet' : `for ${Math.round((clock.now() - since) / 1_000)} s`);
  }

  #timeoutText(peer: string, waited: string): string {
    const { unanswered, endpoint } = this.#parts.exchange.peerStatus(peer) ?? {};
    const tried = unanswered ?? { places: endpoint === undefined ? [] : [endpoint], bytes: 0 };
    return exchangeTimeout(waited, tried, this.#where);
  }

  /** Whose port it is that does not answer. */
  get #where(): string {
    return this.#parts.device.config.role.kind === 'node' ? 'at the hub' : 'there';
  }
}
