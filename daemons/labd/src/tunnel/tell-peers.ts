import type { TunnelEvent } from '@labmesh/tunnel/tunnel-parts';
import type { DeviceEvent } from '@labmesh/wireguard/tunnel-device';
import { system } from '@labmesh/wire/fleet/principal';
import type { AuditLog } from '../audit/audit-log.ts';
import type { EventLog } from '../events/event-log.ts';
import { noteTakenKey } from '../nodes/peer-rows.ts';
import type { World } from '../settings/world.ts';
import type { RotationTold } from './hub-rotation.ts';

export type PeerTellerParts = { audit: AuditLog; events: EventLog; log: World['log'] };

const writer = system('tunnel');

/** What happens to peers, for audit and events alike (V9). */
export function tellPeers({ audit, events, log }: PeerTellerParts): (event: TunnelEvent) => void {
  const actions = {
    pq_active: 'tunnel.pq-active',
    pq_stale: 'tunnel.pq-stale',
    pq_fallback: 'tunnel.pq-fallback',
    psk_mismatch: 'tunnel.psk-mismatch',
    cut: 'tunnel.cut',
    wireguard_key: 'tunnel.wireguard-key-changed',
  } as const;
  return (event) => {
    if (event.event === 'exchanged' || event.event === 'exchange_timeout' || event.event === 'handshake_timeout')
      return;
    const { event: what, peer, ...details } = event;
    events.emit('tunnel-changed', 'tunnel', peer, { what, ...details });
    const row = { principal: writer, phase: 'single', result: 'ok', action: actions[event.event] } as const;
    const entry = { ...row, resource: `tunnel/${peer}`, resourceId: peer, details };
    audit.append(entry).catch((error: unknown) => log.warn('an audit row of the tunnel was not written', { error }));
  };
}

/**
 * K8: the row of a node says the WireGuard key that it uses now. Without the database the node's next registration says it, or
 * the next start finds it in the device. Never rejects.
 */
export async function noteKey(
  { store, log }: Pick<World, 'store' | 'log'>,
  { peer, publicKey }: Extract<TunnelEvent, { event: 'wireguard_key' }>,
): Promise<void> {
  try {
    await store.write(writer, (tx) => noteTakenKey(tx, peer, publicKey));
  } catch (error) {
    log.warn('a node’s new WireGuard key could not be noted yet', { peer, error });
  }
}

/** How the hub's Rosenpass pair is changed (K8): fingerprints, never a key. */
export function tellRotation({ audit, events, log }: PeerTellerParts): RotationTold {
  const actions = {
    key_announced: 'tunnel.key-announced',
    key_promoted: 'tunnel.key-promoted',
    key_deleted: 'tunnel.key-deleted',
  } as const;
  return (what, oldSha256, newSha256) => {
    const details = { oldSha256, newSha256 };
    log.info('the hub’s Rosenpass pair changes', { what, ...details });
    events.emit('tunnel-changed', 'tunnel', 'hub', { what, ...details });
    const row = {
      principal: writer,
      phase: 'single',
      result: 'ok',
      action: actions[what],
      resource: 'tunnel/hub',
    } as const;
    audit.append({ ...row, details }).catch((error: unknown) => log.warn('an audit row was not written', { error }));
  };
}

/** What somebody did to the hub's interface, and what was put right (N9, I13). */
export function tellDevice({ audit, events, log }: PeerTellerParts): (event: DeviceEvent) => void {
  return (event) => {
    const { kind, ...details } = event;
    log.warn('the hub’s interface was changed by somebody else', { kind, ...details });
    events.emit('tunnel-changed', 'tunnel', 'device', { what: kind, ...details });
    const row = { principal: writer, phase: 'single', result: 'ok', action: `tunnel.device-${kind}` } as const;
    audit.append({ ...row, details }).catch((error: unknown) => log.warn('an audit row was not written', { error }));
  };
}
