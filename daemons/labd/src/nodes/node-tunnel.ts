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
  /** The same of the key that is to follow, while there is one (K8). */
  nextWireguardPublicKey?: string;
  /** `host:port`. */
  wireguardEndpoint: string;
  /** `sha256:` and 64 hex digits. */
  rosenpassSha256: string;
  /** The same of the key that is to follow, while there is one (K8). */
  nextRosenpassSha256?: string;
  /** The same of the key that was before and still answers (K8). */
  previousRosenpassSha256?: string;
  /** `host:port`. */
  rosenpassEndpoint: string;
};

/** The hub's next key, as one node can trust it (K8). */
export type NextHubKey = {
  sha256: string;
  /** Of the key that it follows; both answer. */
  follows: string;
  /** Raw, 524,160 bytes. */
  publicKey: Uint8Array;
  /** 64 hex digits: what the last exchange with this node gave us to prove it with. */
  proof: string;
};

/** A node's next WireGuard key (K8), in base64, and the Rosenpass key that the node is known by. */
export type NextNodeKey = { rosenpass: string; current: string; next: string };

export interface NodeTunnel {
  /** What a register answer says of the hub; undefined: this replica has no tunnel. */
  conplane(): HubAddress | undefined;
  /** The hub's raw Rosenpass public key, 524,160 bytes. Only while `conplane()` gives one. */
  ownKey(): Uint8Array;
  /** For the peer of this row; undefined: no next key, or no exchange with this peer lately. */
  nextKey(peerId: string): NextHubKey | undefined;
  /** What shows the peer of this row our WireGuard keys, beside this Rosenpass key (K8); undefined: no exchange with it lately. */
  wireguardProof(peerId: string, rosenpass: string): string | undefined;
  /** Whether the peer of this row has proven that it is about to use this key (K8). `proof` may be anything. */
  isNextKeyProven(peerId: string, keys: NextNodeKey, proof: string): boolean;
  /** Whether the peer of this row has shaken hands with this WireGuard key, once its next one, and has it since (K8). */
  isKeyUsed(peerId: string, key: string): boolean;
  /** What shows that peer that this next key of its own is answered (K8); undefined: no exchange with it lately. */
  takenProof(peerId: string, current: string, next: string): string | undefined;
  /** Resolves once the device has the peer as this row says; safe to repeat. */
  setPeer(peer: TunnelPeerRow): Promise<void>;
  /** Takes the peer and its session away (≤ 1 s); nothing happens when it is not there. `id` is that of its row. */
  removePeer(id: string): Promise<void>;
}

/** `[conplane.tunnel] enabled = false`. */
export const noTunnel: NodeTunnel = {
  conplane: () => undefined,
  ownKey: () => new Uint8Array(),
  nextKey: () => undefined,
  wireguardProof: () => undefined,
  isNextKeyProven: () => false,
  isKeyUsed: () => false,
  takenProof: () => undefined,
  setPeer: () => Promise.resolve(),
  removePeer: () => Promise.resolve(),
};
