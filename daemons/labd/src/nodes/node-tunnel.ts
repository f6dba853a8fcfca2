/**
 * What the nodes' part of labd asks of the tunnel: whom to tell nodes to dial, and that a peer stands in the device before
 * its register answer leaves (tunnel H1). Without a tunnel nodes register all the same, with no address.
 */
import type { TunnelPeersTable } from '@labmesh/store/plane-tables';
import type { Selectable } from 'kysely';

export type TunnelPeerRow = Selectable<TunnelPeersTable>;

/** The hub as a register answer names it (network plane N4). */
export type HubAddress = {
  /** IPv4 without prefix length. */
  tunnelAddress: string;
  /** Base64. */
  wireguardPublicKey: string;
  /** `host:port`. */
  wireguardEndpoint: string;
  /** `sha256:` and 64 hex digits. */
  rosenpassSha256: string;
  /** `host:port`. */
  rosenpassEndpoint: string;
};

export interface NodeTunnel {
  /** What a register answer says of the hub; undefined: this replica has no tunnel. */
  conplane(): HubAddress | undefined;
  /** The hub's raw Rosenpass public key, 524,160 bytes. Only while `conplane()` gives one. */
  ownKey(): Uint8Array;
  /** Resolves once the device has the peer as this row says; safe to repeat. */
  setPeer(peer: TunnelPeerRow): Promise<void>;
  /** Takes the peer and its session away (≤ 1 s); nothing happens when it is not there. `id` is that of its row. */
  removePeer(id: string): Promise<void>;
}

/** `[conplane.tunnel] enabled = false`. */
export const noTunnel: NodeTunnel = {
  conplane: () => undefined,
  ownKey: () => new Uint8Array(),
  setPeer: () => Promise.resolve(),
  removePeer: () => Promise.resolve(),
};
