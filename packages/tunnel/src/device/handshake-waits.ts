/**
 * Whether WireGuard, with a key in its hands and a place to dial, is left without a handshake (2.9 WIREGUARD_TIMEOUT). An
 * exchange that ends says nothing of that: its port is another.
 */
import type { PskStatus } from '@labmesh/wireguard/psk/psk-manager';
import type { Endpoint, PeerState } from '@labmesh/wireguard/tunnel-device';
import { isSamePlace } from '../same-peer.ts';
import type { Tried } from '../exchange/peer-errors.ts';
import type { TunnelPeerSettings } from '../tunnel-peer.ts';

/** After which a missing handshake is told. */
const timeoutMs = 30_000;
/** Life of a session (5.9). */
const sessionMs = 180_000;
/** Addresses that are remembered. */
const placesMax = 16;

type Wait = { since: number; bytesBefore: number; bytes: number; places: Endpoint[]; isTold: boolean };
type Now = { mono: number; wall: number };
type LookedAt = { states: readonly PeerState[]; pskKindOf: (id: string) => PskStatus['pskKind'] | undefined };

export class HandshakeWaits {
  readonly #waits = new Map<string, Wait>();

  /**
   * The device was looked at. `state` undefined: nothing is expected of this peer now, since no key of an exchange is in
   * place, or nobody dials it. Gives what was tried, once, when the wait is too long.
   */
  look(id: string, state: PeerState | undefined, now: Now): Tried | undefined {
    const shaken = state?.lastHandshakeMs;
    if (state === undefined || (shaken !== undefined && now.wall - shaken < sessionMs)) {
      this.#waits.delete(id);
      return undefined;
    }
    const { txBytes, endpoint } = state;
    const begun = { since: now.mono, bytesBefore: txBytes, bytes: 0, places: [], isTold: false };
    const wait: Wait = this.#waits.get(id) ?? begun;
    this.#waits.set(id, wait);
    // A cut starts the device's counts anew.
    wait.bytesBefore = Math.min(wait.bytesBefore, txBytes);
    wait.bytes = txBytes - wait.bytesBefore;
    const isKnown = endpoint === undefined || wait.places.some((place) => isSamePlace(place, endpoint));
    if (!isKnown && wait.places.length < placesMax) wait.places.push(endpoint);
    if (wait.isTold || now.mono - wait.since < timeoutMs) return undefined;
    wait.isTold = true;
    return wait;
  }

  /** All peers after a look at the device. Gives whose wait is too long, once each. */
  lookAtAll(peers: Iterable<TunnelPeerSettings>, seen: LookedAt, now: Now): [id: string, tried: Tried][] {
    const told: [string, Tried][] = [];
    for (const { id, wireguardPublicKey, endpoint, keepaliveS } of peers) {
      // Without keepalives it may have nothing to send, and a hub's nodes call by themselves.
      if (endpoint === undefined || keepaliveS === 0) continue;
      const isKeyed = seen.pskKindOf(id) !== 'random';
      const state = seen.states.find(({ publicKey }) => Buffer.compare(publicKey, wireguardPublicKey) === 0);
      const tried = this.look(id, isKeyed ? state : undefined, now);
      if (tried !== undefined) told.push([id, tried]);
    }
    return told;
  }

  /** What was tried, once it was told; until a handshake is seen. */
  told(id: string): Tried | undefined {
    const wait = this.#waits.get(id);
    return wait?.isTold === true ? wait : undefined;
  }
}
