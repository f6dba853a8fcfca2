/** Where an agent is: on this replica, behind a peer, or nowhere (RP-1). */
import type { First } from '@labmesh/link/first-frame';
import { type Link, LinkRefused } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { AgentHub } from '../hub/agent-hub.ts';
import type { Directory } from '../hub/directory.ts';
import { replicaLiveMs } from '../hub/replicas.ts';
import type { World } from '../settings/world.ts';
import type { PeerLinks } from './peer-links.ts';

export type RoutesParts = {
  hub: AgentHub;
  directory: Directory;
  peers: PeerLinks;
  replicaId: string;
  clock: World['clock'];
};

function openOn(link: Link, first: Parameters<Link['open']>[0]): RawChannel | undefined {
  try {
    return link.open(first);
  } catch (error) {
    if (error instanceof LinkRefused) return undefined;
    throw error;
  }
}

/** The way to one agent for one session; asked again after each cut. */
export class Route {
  readonly #parts: RoutesParts;
  readonly #agentId: string;
  readonly #principal: Principal;
  /** The replica behind which the agent was last found. */
  #replicaId: string | undefined;

  constructor(parts: RoutesParts, agentId: string, principal: Principal) {
    this.#parts = parts;
    this.#agentId = agentId;
    this.#principal = principal;
  }

  /** Looks where the agent is now; false when nobody has it. @throws FleetError STORE_UNAVAILABLE. */
  async find(): Promise<boolean> {
    const { hub, directory, peers, replicaId, clock } = this.#parts;
    this.#replicaId = undefined;
    if (hub.find(this.#agentId) !== undefined) return true;
    const holder = await directory.holderOf(this.#agentId);
    if (holder === undefined || holder.replicaId === replicaId || holder.peerUrl === null) return false;
    if (clock.wall() - holder.seenAt > replicaLiveMs) return false;
    const link = await peers.reach(holder.replicaId, holder.peerUrl);
    if (link === undefined) return false;
    this.#replicaId = holder.replicaId;
    return true;
  }

  /** Begins a channel on the way that was found. */
  readonly reach = (first: First): RawChannel | undefined => {
    const { hub, peers } = this.#parts;
    const agent = hub.find(this.#agentId);
    if (agent !== undefined) return openOn(agent.link, first);
    const link = this.#replicaId === undefined ? undefined : peers.find(this.#replicaId);
    if (link === undefined) return undefined;
    return openOn(link, { type: 'peer', principal: this.#principal, agentId: this.#agentId, first });
  };
}
