/** Whether a peer that is set again can stay as it is. */
import { timingSafeEqual } from 'node:crypto';
import type { Endpoint, PeerChange } from '@labmesh/rosenpass/effects';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

const isSameBytes = (one: Uint8Array | undefined, two: Uint8Array | undefined) =>
  one === undefined || two === undefined ? one === two : one.length === two.length && timingSafeEqual(one, two);

/** Whether two places are one; undefined is none. */
export const isSamePlace = (one: Endpoint | undefined, two: Endpoint | undefined): boolean =>
  one?.address === two?.address && one?.port === two?.port;

/** Whether the peer can stay in the device; where it is dialled may change there. */
export function isSameDevicePeer(old: TunnelPeerSettings, next: TunnelPeerSettings): boolean {
  const place = ({ wireguardPublicKey, address, keepaliveS }: TunnelPeerSettings) =>
    JSON.stringify([Buffer.from(wireguardPublicKey).toString('hex'), address, keepaliveS]);
  return place(old) === place(next);
}

/** Whether its key exchange can go on, with what `exchangeChange` says. */
export function isSameExchange(
  { rosenpass: old }: TunnelPeerSettings,
  { rosenpass: next }: TunnelPeerSettings,
): boolean {
  const isSame = old?.fingerprint === next?.fingerprint && old?.schedule === next?.schedule;
  return isSame && isSameBytes(old?.presharedKey, next?.presharedKey);
}

/**
 * What its key exchange is told; undefined: it has none. The place only if it is another one than before: meanwhile the
 * exchange may have learned where the peer is (`at`), by itself.
 */
export function exchangeChange(
  old: TunnelPeerSettings,
  { rosenpass }: TunnelPeerSettings,
  at: Endpoint | undefined,
): Pick<PeerChange, 'version' | 'ciphertext' | 'endpoint'> | undefined {
  if (rosenpass === undefined) return undefined;
  const { version, ciphertext, endpoint } = rosenpass;
  const isKnown = [undefined, old.rosenpass?.endpoint, at].some((place) => isSamePlace(endpoint, place));
  return isKnown ? { version, ciphertext } : { version, ciphertext, endpoint };
}
