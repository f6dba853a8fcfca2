/** The way from the hub to a node of its own, for another replica (H6): which row it is, and a connection to its proxy. */
import { connect, type Socket } from 'node:net';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { relayedPort } from './relayed-port.ts';

const connectMs = 10_000;
/** A node that vanished is noticed within minutes; one that thinks for long is not taken for gone. */
const keepAliveMs = 30_000;
const worker = system('tunnel-relay');

export type HubOfNodes = {
  tunnelAddress: string;
  /** Of the peer of that row; undefined: the device has none. */
  peerAddress(id: string): string | undefined;
};

type NodeTarget = { peer: string; host: string; port: number; localAddress: string };

/** Undefined: no node of this hub has the address, or its port is not relayed. A node that was banned or moved is asked for in vain. */
export async function findNode(
  address: string,
  { store, replicaId, hub }: { store: Store; replicaId: string; hub: HubOfNodes | undefined },
): Promise<NodeTarget | undefined> {
  const row = await store.read(worker, (db) =>
    db
      .selectFrom('tunnel_peers')
      .select(['id', 'proxy_port'])
      .where('address', '=', address)
      .where('kind', '=', 'node')
      .where('replica_id', '=', replicaId)
      .where('removed_at', 'is', null)
      .executeTakeFirst(),
  );
  const port = row && relayedPort(row);
  // Without its peer, and that one at this address, it would be looked for on the host's other networks.
  if (row === undefined || port === undefined || hub?.peerAddress(row.id) !== address) return undefined;
  return { peer: row.id, host: address, port, localAddress: hub.tunnelAddress };
}

/** Rejects when the node does not answer in time, or refuses. */
export function dialNode({ host, port, localAddress }: NodeTarget): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { host, port, localAddress, allowHalfOpen: true, noDelay: true };
    const socket = connect({ ...options, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), connectMs);
    socket.once('close', () => clearTimeout(timer));
    socket.once('error', reject);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.pause();
      resolve(socket);
    });
  });
}
