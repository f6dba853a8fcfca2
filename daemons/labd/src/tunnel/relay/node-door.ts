/**
 * Other replicas' way to the nodes of this hub (H6). A replica asks for a tunnel address, and gets one TCP connection to
 * that node's proxy, if a node that is registered here has that address and the device has its peer at this moment.
 * There is no way to name a port, a host, a client of other make (X7), or a peer of another hub (I4, I9): the port is
 * the one that the node told when it registered, and the connection leaves by the hub's own tunnel address or not at all.
 *
 * Who may ask was settled by the replica that asks, as for sessions (RP-1); that it is one, and is not denied, by its link.
 */
import { connect, type Socket } from 'node:net';
import type { Logger } from '@labmesh/kit/log';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { NodeFirst } from '@labmesh/link/first-frame';
import type { RawChannel } from '@labmesh/link/raw-channel';
import type { Store } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { joinSocket } from './join-socket.ts';
import type { RelayCounts, RelayResult } from './relay-counts.ts';

/** Of all other replicas together: RELAYED_IN. */
export const relayedInMax = 2_048;
const connectMs = 10_000;
/** A node that vanished is noticed within minutes; one that thinks for long is not taken for gone. */
const keepAliveMs = 30_000;
export const defaultProxyPort = 8_080;
const worker = system('tunnel-relay');

export type NodeDoorParts = {
  store: Store;
  replicaId: string;
  /** Undefined: this replica has no tunnel. */
  hub: () => { tunnelAddress: string; hasPeer(id: string): boolean } | undefined;
  /** A replica asked for what is no node of this hub. */
  onRefused: (who: Principal, address: string) => void;
  counts: RelayCounts;
  log: Logger;
};

type Target = { peer: string; host: string; port: number; localAddress: string };

/** Rejects when the node does not answer in time, or refuses. */
function dial({ host, port, localAddress }: Target): Promise<Socket> {
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

export class NodeDoor implements Disposable {
  readonly #parts: NodeDoorParts;
  /** Connections by the peer that they go to. */
  readonly #sockets = new Map<Socket, string>();
  #pending = 0;

  constructor(parts: NodeDoorParts) {
    this.#parts = parts;
  }

  /** Answers a channel of the replica `who`. Never throws: what goes wrong closes the channel with its reason. */
  readonly take = (raw: RawChannel, first: NodeFirst, who: Principal): void => {
    const { counts, log } = this.#parts;
    if (this.#pending + this.#sockets.size >= relayedInMax) {
      counts.ended('holding', 'limit');
      return raw.close('limit', `RELAYED_IN: ${relayedInMax} connections of other replicas are open here`);
    }
    this.#pending++;
    counts.open.holding++;
    this.#serve(raw, first, who)
      .catch((error: unknown): RelayResult => {
        log.error('a connection of another replica failed in a way nobody foresaw', { error });
        raw.close('internal');
        return 'failed';
      })
      .then((result) => {
        counts.open.holding--;
        counts.ended('holding', result);
      })
      .catch(() => undefined);
  };

  /** Its peer is gone from the device, or is another's now: nothing of before goes on. */
  endPeer(id: string): void {
    for (const [socket, peer] of this.#sockets) if (peer === id) socket.destroy();
  }

  async #serve(raw: RawChannel, first: NodeFirst, who: Principal): Promise<RelayResult> {
    const { hub, counts, onRefused, log } = this.#parts;
    let socket: Socket;
    try {
      const target = await this.#targetOf(first.address);
      if (target === undefined) {
        onRefused(who, first.address);
        raw.close('agent-offline', 'no node of this hub has that address');
        return 'refused';
      }
      socket = await dial(target);
      // Gone meanwhile, and `endPeer` has not seen this one.
      if (hub()?.hasPeer(target.peer) !== true) {
        socket.destroy();
        throw new Error('its peer is gone');
      }
      this.#sockets.set(socket, target.peer);
      socket.once('close', () => this.#sockets.delete(socket));
    } catch (error) {
      log.debug('a node did not answer another replica', { address: first.address, error });
      raw.close('io', 'the node does not answer its hub');
      return 'failed';
    } finally {
      this.#pending--;
    }
    const channel = ChannelEnd.accept(raw, first, { session: uuidv7() });
    const ending = await joinSocket('holding', socket, channel, (bytes) => (counts.bytes.holding += bytes));
    // One that was closed before anybody listened for it keeps no place.
    if (socket.destroyed) this.#sockets.delete(socket);
    return ending.reason === 'ok' ? 'ok' : 'failed';
  }

  /** The row is asked each time: a node that was banned or has moved is not reached by what somebody remembers. */
  async #targetOf(address: string): Promise<Target | undefined> {
    const { store, replicaId, hub } = this.#parts;
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
    const own = hub();
    // Without its peer the address would be looked for on the host's other networks.
    if (row === undefined || own?.hasPeer(row.id) !== true) return undefined;
    const { tunnelAddress: localAddress } = own;
    return { peer: row.id, host: address, port: row.proxy_port ?? defaultProxyPort, localAddress };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }
}
