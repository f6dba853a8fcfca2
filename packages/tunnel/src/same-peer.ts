/** Whether a peer that is set again can stay as it is. */
import { timingSafeEqual } from 'node:crypto';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

const isSameBytes = (one: Uint8Array | undefined, two: Uint8Array | undefined) =>
  one === undefined || two === undefined ? one === two : one.length === two.length && timingSafeEqual(one, two);

/** Whether the peer can stay in the device as it is. */
export function isSameDevicePeer(old: TunnelPeerSettings, next: TunnelPeerSettings): boolean {
  const place = ({ wireguardPublicKey, address, endpoint, keepaliveS }: TunnelPeerSettings) =>
    JSON.stringify([Buffer.from(wireguardPublicKey).toString('hex'), address, endpoint, keepaliveS]);
  return place(old) === place(next);
}

/** Whether its key exchange can go on as it is. */
export function isSameExchange(
  { rosenpass: old }: TunnelPeerSettings,
  { rosenpass: next }: TunnelPeerSettings,
): boolean {
  const place = (one: TunnelPeerSettings['rosenpass']) =>
    JSON.stringify([one?.fingerprint, one?.schedule, one?.endpoint]);
  return place(old) === place(next) && isSameBytes(old?.presharedKey, next?.presharedKey);
}
