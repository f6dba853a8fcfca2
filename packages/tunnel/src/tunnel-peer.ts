/** One peer as it was asked for, and as it is shown (V6). */
import type { Endpoint, PeerStatus, ProtocolVersion, Role, Schedule } from '@labmesh/rosenpass/effects';
import type { CiphertextEncoding } from '@labmesh/rosenpass/mceliece/parameters';
import type { PskStatus } from '@labmesh/wireguard/psk/psk-manager';
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import { pskMismatch } from './exchange/peer-errors.ts';
import { showEndpoint } from './named-endpoint.ts';

export type TunnelPeerSettings = {
  /** Unique in one tunnel. */
  id: string;
  name: string;
  wireguardPublicKey: Uint8Array;
  /** The key that is to follow (K8): takes the place of the other with its first handshake. */
  nextWireguardKey?: Uint8Array | undefined;
  /** Its tunnel address, without prefix length. */
  address: string;
  /** Where its WireGuard is dialled; a hub waits for its nodes instead. */
  endpoint?: Endpoint | undefined;
  keepaliveS: number;
  mode: 'strict' | 'permissive';
  /** Of the permissive mode: how long the first exchange is waited for. */
  fallbackAfterMs: number;
  /** Without it the peer is a classical one. */
  rosenpass?:
    | {
        /** `sha256:` and 64 hex digits; the key lies in the keys' folder. */
        fingerprint: string;
        endpoint?: Endpoint | undefined;
        schedule: Schedule;
        version: ProtocolVersion | 'auto';
        ciphertext: CiphertextEncoding | 'auto';
        /** 32 bytes, copied. */
        presharedKey?: Uint8Array | undefined;
        /** File that gets each key for other programs, and random bytes when it is stale (X5). */
        keyOut?: string | undefined;
      }
    | undefined;
};

/** What is noted beside the parts' own status. */
export type PeerTally = {
  exchanges: number;
  lastError: string | undefined;
  /** The last exchange, also one with a key that the peer has given up since; `at` is monotonic. */
  last: { at: number; role: Role; version: ProtocolVersion; ciphertext: CiphertextEncoding } | undefined;
};

export type PeerSight = {
  settings: TunnelPeerSettings;
  psk: PskStatus;
  exchange: PeerStatus | undefined;
  /** Where WireGuard heard it last. */
  endpoint: Endpoint | undefined;
  tally: PeerTally;
  failures: Record<string, number>;
  /** WIREGUARD_TIMEOUT in words. */
  handshakeError: string | undefined;
  now: { mono: number; wall: number };
};

const textOf = (key: Uint8Array) => Buffer.from(key).toString('base64');
const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.max(0, Math.round(ms / 100) / 10));

/** Ages are monotonic where we timed them ourselves; the handshake's is of the wall clock, as WireGuard tells it. */
export function showPeer(sight: PeerSight): TunnelPeer {
  const { settings, psk, exchange, endpoint, tally, failures, now } = sight;
  const { last } = tally;
  const nextExchangeAt = exchange?.nextExchangeAt;
  const next = nextExchangeAt === undefined || !Number.isFinite(nextExchangeAt) ? undefined : nextExchangeAt - now.mono;
  const at = endpoint ?? settings.endpoint;
  return {
    id: settings.id,
    name: settings.name,
    wireguardPublicKey: textOf(settings.wireguardPublicKey),
    ...(psk.isNextKeyed && settings.nextWireguardKey && { nextWireguardPublicKey: textOf(settings.nextWireguardKey) }),
    rosenpassSha256: settings.rosenpass?.fingerprint ?? null,
    address: settings.address,
    endpoint: at === undefined ? null : showEndpoint(at),
    mode: settings.mode,
    pq: psk.pq,
    pqReason: psk.reason,
    pqSince: new Date(psk.since).toISOString(),
    exchangeAgeS: seconds(last === undefined ? undefined : now.mono - last.at),
    nextExchangeS: seconds(next),
    lastRole: last?.role ?? null,
    version: last?.version ?? null,
    ciphertext: last?.ciphertext ?? null,
    handshakeAgeS: seconds(psk.lastHandshakeMs === undefined ? undefined : now.wall - psk.lastHandshakeMs),
    pskKind: psk.pskKind,
    generation: psk.generation,
    rxBytes: psk.rxBytes,
    txBytes: psk.txBytes,
    exchanges: tally.exchanges,
    failures,
    lastError: errorOf(sight),
  };
}

function errorOf({ settings, psk, exchange, endpoint, tally, handshakeError, now }: PeerSight): string | null {
  if (!psk.isMismatched) return tally.lastError ?? handshakeError ?? null;
  const ageMs = tally.last && now.mono - tally.last.at;
  return pskMismatch(ageMs, endpoint ?? settings.endpoint, exchange?.endpoint ?? settings.rosenpass?.endpoint);
}
