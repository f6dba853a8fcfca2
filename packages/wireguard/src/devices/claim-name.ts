/** Whose interface bears our name (spec tunnel.md I12, 2.2): ours is used or replaced, a foreign one is never touched. */
import { findLink, type Link } from '../netlink/links.ts';
import type { NetlinkExchange } from '../netlink/netlink-socket.ts';
import { type DeviceConfig, TunnelError } from '../tunnel-device.ts';
import type { LinkBackend } from './link-backend.ts';

export type ClaimedName =
  /** The name is free. */
  | { kind: 'free' }
  /** There is one to be used: of an attached backend, or the hub's own from before with its live sessions (H2). */
  | { kind: 'take'; link: Link; keepPeers: boolean }
  /** One of ours that a killed process left; it is deleted. */
  | { kind: 'leftover'; link: Link };

function describe({ kind, alias }: Link): string {
  return `an interface${kind === '' ? '' : ` of kind ${kind}`} ${alias === '' ? 'without mark' : `marked '${alias}'`}`;
}

/** @throws TunnelError TUNNEL_NAME_TAKEN, exit 6; TUNNEL_BACKEND_MISSING when there is nothing to attach to. */
export async function claimName(
  config: DeviceConfig,
  backend: LinkBackend,
  socket: NetlinkExchange,
): Promise<ClaimedName> {
  const { name, alias, role } = config;
  const link = findLink(socket, name);
  if (link === undefined) {
    if (!backend.attached) return { kind: 'free' };
    throw new TunnelError('TUNNEL_BACKEND_MISSING', `${backend.name}: there is no interface ${name} to attach to`);
  }
  if (link.alias === alias) {
    const usable = link.kind === backend.kind && (backend.attached || role.kind === 'hub');
    // A TUN of ours has nobody behind it any more.
    if (usable && (backend.attached || backend.bornOutside))
      return { kind: 'take', link, keepPeers: role.kind === 'hub' };
    if (!backend.attached) return { kind: 'leftover', link };
  }
  const unused = link.alias === '' && link.kind === backend.kind && (await backend.isUnused?.(name)) === true;
  if (unused) return { kind: 'take', link, keepPeers: false };
  const fix = `choose another interface_name, or remove it yourself: ip link delete ${name}`;
  const message = `${name} is ${describe(link)}, not ours (${alias}); ${fix}`;
  throw new TunnelError('TUNNEL_NAME_TAKEN', message, { exitCode: 6 });
}
