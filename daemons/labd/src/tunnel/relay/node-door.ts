/**
 * Other replicas' way to the nodes of this hub (H6). A replica asks for a tunnel address, and gets one TCP connection to
 * that node's proxy, if a node that is registered here has that address and the device has its peer at this moment.
 * There is no way to name a port, a host, a client of other make (X7), or a peer of another hub (I4, I9): the port is
 * the one that the node told when it registered, and the connection leaves by the hub's own tunnel address or not at all.
 *
 * Who may ask was settled by the replica that asks, as for sessions (RP-1); that it is one, and is not denied, by its link.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { NodeFirst } from '@labmesh/link/first-frame';
import type { RawChannel } from '@labmesh/link/raw-channel';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { DoorLimits } from './door-limits.ts';
import { joinSocket } from './join-socket.ts';
import { dialNode, findNode, type HubOfNodes } from './reach-node.ts';
import type { RelayCounts, RelayResult } from './relay-counts.ts';

type Socket = Awaited<ReturnType<typeof dialNode>>;

export type NodeDoorParts = {
  store: Parameters<typeof findNode>[1]['store'];
  replicaId: string;
  /** Undefined: this replica has no tunnel. */
  hub: () => HubOfNodes | undefined;
  /** A replica asked for what is no node of this hub. */
  onRefused: (who: Principal, address: string) => void;
  counts: RelayCounts;
  clock: Clock;
  log: Logger;
};

export class NodeDoor implements Disposable {
  readonly #parts: NodeDoorParts;
  /** Connections by the peer that they go to. */
  readonly #sockets = new Map<Socket, string>();
  /** Each place is kept until both ends have ended: a replica that never says so has few. */
  readonly #limits: DoorLimits;

  constructor(parts: NodeDoorParts) {
    this.#parts = parts;
    this.#limits = new DoorLimits(parts.clock);
  }

  /** Answers a channel of the replica `who`. Never throws: what goes wrong closes the channel with its reason. */
  readonly take = (raw: RawChannel, first: NodeFirst, who: Principal): void => {
    const { counts, log } = this.#parts;
    const full = this.#limits.fullFor(who.id, counts.open.holding);
    if (full !== undefined) {
      counts.ended('holding', 'limit');
      return raw.close('limit', full);
    }
    counts.open.holding++;
    this.#serve(raw, first, who)
      .catch((error: unknown): RelayResult => {
        log.error('a connection of another replica failed in a way nobody foresaw', { error });
        raw.close('internal');
        return 'failed';
      })
      .then((result) => {
        counts.open.holding--;
        this.#limits.giveBack(who.id);
        counts.ended('holding', result);
      })
      .catch(() => undefined);
  };

  /** Its peer is gone from the device, or is elsewhere now: nothing of before goes on, and none takes it for the whole. */
  endPeer(id: string): void {
    for (const [socket, peer] of this.#sockets) if (peer === id) socket.resetAndDestroy();
  }

  async #serve(raw: RawChannel, first: NodeFirst, who: Principal): Promise<RelayResult> {
    const { store, replicaId, hub, counts, onRefused, log } = this.#parts;
    let socket: Socket;
    try {
      const target = await findNode(first.address, { store, replicaId, hub: hub() });
      if (target === undefined) {
        this.#limits.refused(who.id);
        onRefused(who, first.address);
        raw.close('agent-offline', 'no node of this hub has that address');
        return 'refused';
      }
      socket = await dialNode(target);
      // Gone meanwhile, and `endPeer` has not seen this one.
      if (hub()?.peerAddress(target.peer) !== target.host) {
        socket.resetAndDestroy();
        throw new Error('its peer is gone');
      }
      this.#sockets.set(socket, target.peer);
      socket.once('close', () => this.#sockets.delete(socket));
    } catch (error) {
      log.debug('a node did not answer another replica', { address: first.address, error });
      raw.close('io', 'the node does not answer its hub');
      return 'failed';
    }
    const channel = ChannelEnd.accept(raw, first, { session: uuidv7() });
    const ending = await joinSocket('holding', socket, channel, (bytes) => (counts.bytes.holding += bytes));
    // One that was closed before anybody listened for it keeps no place.
    if (socket.destroyed) this.#sockets.delete(socket);
    return ending.reason === 'ok' ? 'ok' : 'failed';
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.keys()) socket.resetAndDestroy();
  }
}
