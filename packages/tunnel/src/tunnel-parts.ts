/** What a tunnel is made of, and what it tells. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Endpoint, OwnKey } from '@labmesh/rosenpass/effects';
import type { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import type { TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import type { StepPool } from './steps/step-pool.ts';

export type TunnelEvent =
  | { event: 'pq_active' | 'pq_stale' | 'pq_fallback' | 'psk_mismatch' | 'cut'; peer: string; reason?: string }
  /** `ownKey`: index of the own pair that it was made with. `endpoint`: where the other side answered from. */
  | { event: 'exchanged'; peer: string; role: 'initiator' | 'responder'; ownKey: number; endpoint: Endpoint }
  /** The peer uses its next WireGuard key, base64, and that alone is known from now on (K8). */
  | { event: 'wireguard_key'; peer: string; publicKey: string }
  /** The first exchange that was begun and never answered; again after each success. `detail`: what was tried. */
  | { event: 'exchange_timeout'; peer: string; detail: string }
  /** A peer that we dial has its key and shakes no hands; again after each handshake. */
  | { event: 'handshake_timeout'; peer: string; detail: string };

export type TunnelParts = {
  device: TunnelDevice;
  exchange: KeyExchange;
  pool: StepPool;
  /** That begins exchanges, until `beginWith` says otherwise. */
  ownKey: OwnKey;
  clock: Clock;
  log: Logger;
  random: (bytes: number) => Uint8Array;
  onEvent: (event: TunnelEvent) => void;
};
