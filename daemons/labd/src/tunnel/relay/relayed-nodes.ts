/**
 * Nodes whose hub is another replica, reached from this machine as if it were here (H6): `http://<tunnel address>:<port>`
 * leads to the node by any replica that has a hub. A reconciler without input: rows of others' nodes are what is wanted;
 * for each this machine answers at the address (a route on the hub's own interface) and a listener stands there.
 *
 *     rows of other replicas ──► routes (answerFor) ──► listeners ──► a channel each connection (RelayedNode)
 *
 * An address without its listener is given up at once: a service of this machine that listens on all addresses would be
 * taken for the node.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Link } from '@labmesh/link/link';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { RelayedNodeView } from '@labmesh/wire/tunnel';
import { answeredMax } from '@labmesh/wireguard/devices/answered-addresses';
import { defaultProxyPort } from './node-door.ts';
import type { RelayCounts } from './relay-counts.ts';
import { type NodePlace, RelayedNode, type RelayedNodeParts } from './relayed-node.ts';

const worker = system('tunnel-relay');
/** As the hub looks for its own peers: a node that moves is followed within two seconds. */
const lookEveryMs = 1_000;
/** A port that something else had is tried again this much later. */
const blockedMs = 60_000;

export type RelayedNodesParts = {
  store: Store;
  replicaId: string;
  hub: { answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> };
  peers: { reach(replicaId: string, url: string): Promise<Link | undefined> };
  replicas: { others(): readonly { id: string; peerUrl: string | null }[] };
  counts: RelayCounts;
  clock: Clock;
  log: Logger;
};

const samePlace = (a: NodePlace, b: NodePlace) => a.id === b.id && a.port === b.port && a.replicaId === b.replicaId;

export class RelayedNodes implements AsyncDisposable {
  readonly #parts: RelayedNodesParts;
  readonly #each: RelayedNodeParts;
  /** By address. */
  readonly #nodes = new Map<string, RelayedNode>();
  /** Until when an address is left alone, because its port was taken here. */
  readonly #blocked = new Map<string, { place: NodePlace; until: number }>();
  readonly #ending = new AbortController();
  #running = Promise.resolve();
  #isOverfull = false;

  constructor(parts: RelayedNodesParts) {
    this.#parts = parts;
    const { counts, log, peers, replicas } = parts;
    const reach = async (replicaId: string) => {
      const url = replicas.others().find(({ id }) => id === replicaId)?.peerUrl ?? undefined;
      return url === undefined ? undefined : peers.reach(replicaId, url);
    };
    const onChange = ({ name, replicaId }: NodePlace, error: string | undefined) => {
      if (error === undefined) log.info('a node is reached through its hub’s replica', { node: name, replicaId });
      else log.warn('a node is not reached through its hub’s replica', { node: name, replicaId, error });
    };
    this.#each = { reach, counts, onChange };
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
    const wanted = await this.#wanted();
    for (const [address, node] of this.#nodes) {
      const place = wanted.get(address);
      if (place === undefined || !samePlace(place, node.place)) this.#drop(address);
    }
    const inForce = await hub.answerFor(new Set(wanted.keys()));
    for (const address of this.#nodes.keys()) if (!inForce.has(address)) this.#drop(address);
    let isBlocked = false;
    for (const [address, place] of wanted) {
      if (!inForce.has(address) || this.#nodes.has(address)) continue;
      if (!(await this.#listen(place))) isBlocked = true;
    }
    if (isBlocked) await hub.answerFor(new Set(this.#nodes.keys()));
    counts.nodes = this.#nodes.size;
  }

  async #wanted(): Promise<Map<string, NodePlace>> {
    const { store, replicaId, clock, log } = this.#parts;
    const rows = await store.read(worker, (db) =>
      db
        .selectFrom('tunnel_peers')
        .select(['id', 'name', 'address', 'proxy_port', 'replica_id'])
        .where('kind', '=', 'node')
        .where('replica_id', '!=', replicaId)
        .where('removed_at', 'is', null)
        .orderBy('id')
        .limit(answeredMax + 1)
        .execute(),
    );
    const isOverfull = rows.length > answeredMax;
    if (isOverfull && !this.#isOverfull) {
      log.error(`RELAYED_NODES: other hubs have more than ${answeredMax} nodes; the rest is not reached from here`);
    }
    this.#isOverfull = isOverfull;
    const places = rows.slice(0, answeredMax).map((row): NodePlace => {
      const { id, name, address, replica_id: holder } = row;
      return { id, name, address, port: row.proxy_port ?? defaultProxyPort, replicaId: holder };
    });
    for (const [address, { until }] of this.#blocked) if (until <= clock.now()) this.#blocked.delete(address);
    const isFree = (place: NodePlace) => {
      const blocked = this.#blocked.get(place.address);
      return blocked === undefined || !samePlace(blocked.place, place);
    };
    return new Map(places.filter(isFree).map((place) => [place.address, place]));
  }

  /** False: its port is taken on this machine; it is left alone for a while. */
  async #listen(place: NodePlace): Promise<boolean> {
    const { clock, log } = this.#parts;
    const { name, address, port, replicaId } = place;
    try {
      this.#nodes.set(address, await RelayedNode.listen(place, this.#each));
      return true;
    } catch (error) {
      this.#blocked.set(address, { place, until: clock.now() + blockedMs });
      const what = 'a node of another hub is not reached from here: its port is taken on all addresses of this machine';
      log.warn(what, { node: name, address, port, replicaId, error });
      return false;
    }
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
