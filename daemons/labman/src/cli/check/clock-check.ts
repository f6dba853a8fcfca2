/** Whether this machine knows the time: WireGuard takes no handshake from the past, certificates have dates (N7, V3). */
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import { timestampMs } from '@labmesh/wireguard/noise/tai64n';
import type { ConplaneLook } from '../../conplane/look-at-conplane.ts';
import { fail, type Finding, pass, unknown } from './finding.ts';

const name = 'clock';
/** Far more than a request takes, far less than hurts. */
const farOffMs = 120_000;
/** What is kept stands up to a minute ahead. */
const reserveMs = 60_000;
const fix = 'timedatectl set-ntp true, or set the time; then restart labmand';

function span(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} days`;
}

export type ClockGround = {
  look: Pick<ConplaneLook, 'dateMs' | 'atMs'> | undefined;
  /** The last WireGuard timestamp sent, 12 bytes. */
  kept: Uint8Array | undefined;
  hub: Pick<TunnelPeer, 'pqReason'> | undefined;
  nowMs: number;
};

export function clockCheck({ look, kept, hub, nowMs }: ClockGround): Finding {
  const off = look?.dateMs === undefined ? undefined : look.atMs - look.dateMs;
  if (off !== undefined && Math.abs(off) > farOffMs) {
    return fail(name, `this clock is ${span(off)} ${off > 0 ? 'ahead of' : 'behind'} the Conplane’s`, fix);
  }
  const sentMs = kept === undefined ? undefined : timestampMs(kept);
  // Where the Conplane agrees, it was the earlier time that was wrong.
  const behind = sentMs === undefined || off !== undefined ? 0 : sentMs - reserveMs - nowMs;
  if (behind > farOffMs) {
    return fail(name, `this clock is ${span(behind)} behind what labmand sent earlier: it went back`, fix);
  }
  if (hub?.pqReason === 'clock_jump') {
    const heals = 'labman tunnel exchange; it heals with the next handshake, within 2 min';
    return fail(name, 'the clock jumped since the last handshake', heals);
  }
  if (off === undefined) return unknown(name, 'nobody could be asked for the time');
  return pass(name, `within ${Math.max(1, Math.ceil(Math.abs(off) / 1_000))} s of the Conplane’s`);
}
