/** What is known of a connection before its first request: which listener, from where, and whose certificate. */
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import type { PeerReason } from '@labmesh/pki/peer-refused';

export type ListenerName = 'api' | 'agent' | 'socket' | 'node';

export type Peer =
  | { state: 'none' }
  | { state: 'known'; identity: PeerIdentity }
  /** Ours, but no longer valid: good for `reenroll` alone (LD-2). */
  | { state: 'expired'; identity: PeerIdentity }
  | { state: 'refused'; reason: PeerReason };

export type Connection = {
  readonly listener: ListenerName;
  /** Without port. */
  readonly remoteAddress: string;
  readonly peer: Peer;
};

/** `::ffff:10.0.0.1` → `10.0.0.1`. */
export const plainAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
