/**
 * Brings agents to the versions they should run (AG-8, AG-9). Two reconcilers in one loop, nudged and timed, both without
 * input of their own:
 *
 *     rollouts (settings) ──roll out──▶ wishes (agents.desired_version) ──tell──▶ MSG desired, over the link
 *          one replica, by lease                    each replica, its own agents
 *
 * What happens then is seen, not reported back: an agent's HELLO names its version, its update-report the bad ones.
 */
import type { Link } from '@labmesh/link/link';
import { takeLease } from '@labmesh/store/lease';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import type { AgentDesired } from '@labmesh/wire/fleet/releases';
import { timeText } from '@labmesh/wire/fleet/resources/fields';
import type { Rollout, StartRollout } from '@labmesh/wire/fleet/resources/rollouts';
import type { AgentHub } from '../hub/agent-hub.ts';
import type { ConnectedAgent } from '../hub/hub-parts.ts';
import { Releases } from './releases.ts';
import { planRollout } from './rollout-plan.ts';
import { agentsOf, readAgents, readRollouts, saveRollout, visibleAgents } from './rollout-rows.ts';
import { type OpenWish, openWishes, savePin, type Wish, writeWishes } from './wishes.ts';
import type { World } from '../settings/world.ts';

export type AgentUpdatesParts = {
  store: World['store'];
  hub: Pick<AgentHub, 'find' | 'onAgent'>;
  /** Replicas that live, this one among them. */
  liveReplicas: () => ReadonlySet<string>;
  replicaId: string;
  dataDir: string;
  clock: World['clock'];
  log: World['log'];
};

const worker = system('agent-updates');
/** Between looks while something is under way; else so long. */
const everyMs = 2_000;
const restMs = 30_000;
const leaseMs = 30_000;
/** An agent that got a wish and did nothing (its download failed) hears it again. */
const againMs = 60_000;
/** At most one look in this time: a rack of agents that comes back nudges for each. */
const gatherMs = 1_000;

type Told = { key: string; at: number };

export class AgentUpdates implements AsyncDisposable {
  readonly #parts: AgentUpdatesParts;
  readonly releases: Releases;
  readonly #told = new WeakMap<Link, Told>();
  /** Versions that were looked for here in vain, so that the log says it once. */
  readonly #missing = new Set<string>();
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  readonly #stopWatching: () => void;
  #wake = new AbortController();

  constructor(parts: AgentUpdatesParts) {
    this.#parts = parts;
    this.releases = new Releases(parts.dataDir);
    this.#stopWatching = parts.hub.onAgent((_agent, isUp) => {
      if (isUp) this.nudge();
    });
    this.#running = this.#loop();
  }

  /** Looks soon: something has changed. */
  nudge(): void {
    this.#wake.abort(new Error('nudged'));
  }

  async #loop(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const startedAt = clock.now();
      const isBusy = await this.pass().catch((error: unknown) => {
        log.warn('updates of agents were not looked after; tried again', { error });
        return true;
      });
      const either = AbortSignal.any([signal, this.#wake.signal]);
      await clock.sleep(isBusy ? everyMs : restMs, either).catch(() => undefined);
      const waitMs = startedAt + gatherMs - clock.now();
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** One look at all of it; true while something is under way. @throws FleetError of the store. */
  async pass(): Promise<boolean> {
    const isRolling = await this.#rollOut();
    const open = await this.#parts.store.read(worker, openWishes);
    for (const wish of open) {
      const agent = this.#parts.hub.find(wish.agentId);
      if (agent !== undefined) await this.#tell(agent, wish);
    }
    return isRolling || open.length > 0;
  }

  async #tell(agent: ConnectedAgent, { version, ring, now, downgrade }: OpenWish): Promise<void> {
    const { clock, log } = this.#parts;
    const release = await this.releases.find(version, agent.arch);
    if (release === undefined) {
      const what = `${version} ${agent.arch}`;
      if (!this.#missing.has(what)) log.warn('no such release here; agents wait for it', { version, arch: agent.arch });
      this.#missing.add(what);
      return;
    }
    const { sha256, signature } = release;
    const desired: AgentDesired = { kind: 'agent', version, sha256, signature, ring, now, downgrade };
    const key = JSON.stringify(desired);
    const told = this.#told.get(agent.link);
    if (told?.key === key && clock.now() - told.at < againMs) return;
    if (agent.link.sendMsg({ kind: 'desired', desired })) this.#told.set(agent.link, { key, at: clock.now() });
  }

  /** The next agents of each rollout; true while one is not through. */
  async #rollOut(): Promise<boolean> {
    const { store, replicaId } = this.#parts;
    const rollouts = await store.read(worker, readRollouts);
    if (rollouts.length === 0) return false;
    if (!(await takeLease(store, 'agent-rollouts', replicaId, leaseMs))) return true;
    const agents = await store.read(worker, (db) => this.#agents(db));
    let isRolling = false;
    for (const rollout of rollouts) {
      const { state, next } = planRollout(rollout, agentsOf(rollout, rollouts, agents));
      isRolling ||= state === 'running';
      if (next.length > 0) await store.write(worker, (tx) => writeWishes(tx, next, rollout));
    }
    return isRolling;
  }

  #agents(db: Parameters<typeof readAgents>[0]) {
    const live = this.#parts.liveReplicas();
    return readAgents(db, (id) => live.has(id));
  }

  /** @throws FleetError NOT_FOUND for a version that no file here has. */
  assertReleased(version: string): void {
    if (this.releases.has(version)) return;
    throw new FleetError('NOT_FOUND', {
      message: `this labd has no release ${version} of lab-agent`,
      hint: 'put lab-agent-linux-<arch> and its .sig into <data_dir>/releases/<version> of each replica',
    });
  }

  /** Wishes one agent a version, whatever it runs now. */
  async wish(principal: Principal, agentId: string, wish: Omit<Wish, 'downgrade'>): Promise<void> {
    this.assertReleased(wish.version);
    await this.#parts.store.write(principal, (tx) => writeWishes(tx, [agentId], { ...wish, downgrade: true }));
    this.nudge();
  }

  /** Holds one agent at a version; null lets it follow again. */
  async pin(principal: Principal, agentId: string, version: string | null): Promise<void> {
    await savePin(this.#parts.store, principal, agentId, version);
    this.nudge();
  }

  /**
   * Begins, changes or (version null) ends the rollout of a ring. `may`: the caller's right to update agents.
   * @throws FleetError NOT_FOUND, PERMISSION_DENIED (for an agent of the ring), CONFLICT.
   */
  async startRollout(
    principal: Principal,
    may: Parameters<typeof saveRollout>[2],
    wanted: StartRollout,
  ): Promise<void> {
    if (wanted.version !== null) this.assertReleased(wanted.version);
    await saveRollout(this.#parts.store, principal, may, wanted);
    this.nudge();
  }

  /**
   * Every rollout and how far it is, from what is seen now. `may`: the caller's right to list agents; others are neither
   * named nor counted, and a rollout of others alone is left out. Its state is that of all.
   */
  async rollouts(principal: Principal, may: Parameters<typeof visibleAgents>[1]): Promise<Rollout[]> {
    const { rows, agents, visible } = await this.#parts.store.read(principal, async (db) => ({
      rows: await readRollouts(db),
      agents: await this.#agents(db),
      visible: await visibleAgents(db, may),
    }));
    return rows.flatMap((row) => {
      const whole = agentsOf(row, rows, agents);
      const its = visible === undefined ? whole : whole.filter(({ id }) => visible.has(id));
      if (its.length === 0 && whole.length > 0) return [];
      const { state } = planRollout(row, whole);
      const { counts, badAgents } = planRollout(row, its);
      const { ring, version, maxUnavailable, startedAt, startedBy } = row;
      const head = { ring, version, state, maxUnavailable, startedAt: timeText(startedAt), startedBy };
      return { ...head, agents: its.length, ...counts, badAgents };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopWatching();
    this.#ending.abort(new Error('labd is stopping'));
    await this.#running;
  }
}
