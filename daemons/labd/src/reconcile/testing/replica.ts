import type { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Link } from '@labmesh/link/link';
import type { Store } from '@labmesh/store/store';
import type { AgentDesired } from '@labmesh/wire/fleet/releases';
import type { Msg } from '@labmesh/wire/frame/messages';
import { uuidv7 } from '@labmesh/wire/ids';
import type { ConnectedAgent } from '../../hub/hub-parts.ts';
import { Directory } from '../../hub/directory.ts';
import { AgentUpdates } from '../agent-updates.ts';

type ReplicaWorld = { store: Store; clock: FakeClock; dataDir: string };

/** One labd as far as updates go: its agents, and what they were told. */
export class Replica implements AsyncDisposable {
  readonly id: string;
  readonly directory: Directory;
  readonly updates: AgentUpdates;
  readonly #connected = new Map<string, ConnectedAgent>();
  /** Agents with what they heard, in order. */
  readonly told: [string, AgentDesired][] = [];
  readonly #clock: FakeClock;
  live: Set<string>;

  constructor(id: string, world: ReplicaWorld, live: string[] = [id]) {
    const { store, clock, dataDir } = world;
    this.id = id;
    this.#clock = clock;
    this.live = new Set(live);
    this.directory = new Directory(store, id);
    const hub = { find: (agentId: string) => this.#connected.get(agentId), onAgent: () => () => {} };
    const parts = { store, hub, liveReplicas: () => this.live, replicaId: id, dataDir, clock, log: silentLogger };
    this.updates = new AgentUpdates(parts);
  }

  /** It says HELLO with a version, as from a start of its process. */
  async connect(agentId: string, version: string, arch = 'x64'): Promise<void> {
    await this.directory.claim({ agentId, instanceId: uuidv7(), version, now: this.#clock.wall() });
    const sendMsg = (msg: Msg) => {
      if (msg.kind === 'desired') this.told.push([agentId, msg.desired as AgentDesired]);
      return true;
    };
    this.#connected.set(agentId, { link: { sendMsg } as unknown as Link, agentId, arch, version } as ConnectedAgent);
  }
  disconnect(agentId: string): void {
    this.#connected.delete(agentId);
  }

  versionsTold(): string[] {
    return this.told.map(([, { version }]) => version);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.updates[Symbol.asyncDispose]();
  }
}
