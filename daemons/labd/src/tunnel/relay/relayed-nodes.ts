/**
 * Nodes whose hub is another replica, reached from this machine as if it were here (H6): `http://<tunnel address>:<port>`
 * leads to the node by any replica that has a hub. A reconciler without input: rows of others' nodes are what is wanted;
 * for each this machine answers at the address (a route on the hub's own interface) and a listener stands there.
 *
 *     rows of other replicas ──► ports that are free ──► routes (answerFor) ──► listeners ──► a channel each connection
 *                                (isPortTaken)                                               (RelayedNode)
 *
 * An address whose port something of this machine has is not answered for, and one without its listener is given up at
 * once: a service of this machine that listens on all addresses would be taken for the node.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Link } from '@labmesh/link/link';
import type { RelayedNodeView } from '@labmesh/wire/tunnel';
import { isPortTaken } from './probe-port.ts';
import type { RelayCounts } from './relay-counts.ts';
import { type NodePlace, RelayedNode, type RelayedNodeParts, relayedOutPerReplicaMax } from './relayed-node.ts';
import { ReplicaShares } from './replica-shares.ts';
import { WantedNodes, type WantedNodesParts } from './wanted-nodes.ts';

/** As the hub looks for its own peers: a node that moves is followed within two seconds. */
const lookEveryMs = 1_000;
/** A port that something else had is tried again this much later. */
const blockedMs = 60_000;

export type RelayedNodesParts = WantedNodesParts & {
  hub: { answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> };
  peers: { reach(replicaId: string, url: string): Promise<Link | undefined> };
  replicas: { others(): readonly { id: string; peerUrl: string | null }[] };
  counts: RelayCounts;
  clock: Clock;
};

const samePlace = (a: NodePlace, b: NodePlace) => a.id === b.id && a.port === b.port && a.replicaId === b.replicaId;

export class RelayedNodes implements AsyncDisposable {
  readonly #parts: RelayedNodesParts;
  readonly #each: RelayedNodeParts;
  readonly #rows: WantedNodes;
  /** By address. */
  readonly #nodes = new Map<string, RelayedNode>();
  /** Until when an address is left alone, because its port was taken here. */
  readonly #blocked = new Map<string, { place: NodePlace; until: number }>();
  readonly #ending = new AbortController();
  #running = Promise.resolve();
  /** Addresses that the hub took for its own peers since the present look began. */
  readonly #taken = new Set<string>();

  constructor(parts: RelayedNodesParts) {
    this.#parts = parts;
    this.#rows = new WantedNodes(parts);
    const { counts, log, peers, replicas } = parts;
    const reach = async (replicaId: string) => {
      const url = replicas.others().find(({ id }) => id === replicaId)?.peerUrl ?? undefined;
      return url === undefined ? undefined : peers.reach(replicaId, url);
    };
    const onChange = ({ name, replicaId }: NodePlace, error: string | undefined) => {
      if (error === undefined) log.info('a node is reached through its hub’s replica', { node: name, replicaId });
      else log.warn('a node is not reached through its hub’s replica', { node: name, replicaId, error });
    };
    this.#each = { reach, counts, shares: new ReplicaShares(relayedOutPerReplicaMax), onChange };
  }

  start(): void {
    this.#running = this.#follow();
  }

  /** The nodes that are answered here, and why one is not reached, if so. */
  view(): RelayedNodeView[] {
    return [...this.#nodes.values()].map(({ place: { id: _, ...place }, connections, error = null }) => {
      return { ...place, connections, error };
    });
  }

  /**
   * The hub of this replica is about to have a peer there: resets of what goes on reach their clients only before that. A
   * look that is under way does not take it up again.
   */
  taken(address: string): void {
    this.#taken.add(address);
    this.#drop(address);
  }

  async #follow(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ending;
    let hasFailed = false;
    while (!signal.aborted) {
      try {
        await this.look();
        hasFailed = false;
      } catch (error) {
        if (!hasFailed) log.warn('nodes of other hubs could not be looked for', { error });
        hasFailed = true;
      }
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  /** Once: what is answered here becomes what the rows say. @throws what store or device say */
  async look(): Promise<void> {
    const { hub, counts } = this.#parts;
    this.#taken.clear();
    const wanted = await this.#wanted();
    for (const [address, node] of this.#nodes) {
      const place = wanted.get(address);
      if (place === undefined || !samePlace(place, node.place)) this.#drop(address);
    }
    for (const [address, place] of wanted) {
      if (this.#nodes.has(address) || !(await isPortTaken(place))) continue;
      wanted.delete(address);
      this.#block(place);
    }
    const inForce = await hub.answerFor(new Set(wanted.keys()));
    for (const address of this.#nodes.keys()) if (!inForce.has(address)) this.#drop(address);
    let isBlocked = false;
    for (const [address, place] of wanted) {
      if (!inForce.has(address) || this.#nodes.has(address) || this.#taken.has(address)) continue;
      if (!(await this.#listen(place))) isBlocked = true;
    }
    if (isBlocked) await hub.answerFor(new Set(this.#nodes.keys()));
    counts.nodes = this.#nodes.size;
  }

  async #wanted(): Promise<Map<string, NodePlace>> {
    const { clock } = this.#parts;
    const places = await this.#rows.look();
    for (const [address, { until }] of this.#blocked) if (until <= clock.now()) this.#blocked.delete(address);
    const isFree = (place: NodePlace) => {
      const blocked = this.#blocked.get(place.address);
      return blocked === undefined || !samePlace(blocked.place, place);
    };
    return new Map(places.filter(isFree).map((place) => [place.address, place]));
  }

  /** False: the address must not be answered for any longer. */
  async #listen(place: NodePlace): Promise<boolean> {
    const { address } = place;
    try {
      const node = await RelayedNode.listen(place, this.#each);
      if (this.#taken.has(address)) node[Symbol.dispose]();
      else this.#nodes.set(address, node);
      return true;
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      // Somebody took the route away again, or the device went: the next look tells.
      if (code !== 'EADDRNOTAVAIL') this.#block(place, code);
      return false;
    }
  }

  /** Left alone for a while. */
  #block(place: NodePlace, code = 'EADDRINUSE'): void {
    const { clock, log } = this.#parts;
    const { name: node, address, port, replicaId } = place;
    this.#blocked.set(address, { place, until: clock.now() + blockedMs });
    const why =
      code === 'EADDRINUSE' ? 'its port is taken on all addresses of this machine' : `nothing can listen: ${code}`;
    log.warn(`a node of another hub is not reached from here: ${why}`, { node, address, port, replicaId });
  }

  #drop(address: string): void {
    this.#nodes.get(address)?.[Symbol.dispose]();
    this.#nodes.delete(address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running;
    for (const address of this.#nodes.keys()) this.#drop(address);
    // An interface that outlives this process must not go on answering.
    await this.#parts.hub.answerFor(new Set()).catch(() => undefined);
  }
}
