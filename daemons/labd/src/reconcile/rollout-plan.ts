/**
 * What a rollout does next (AG-9), from what is wanted and what is seen and nothing else:
 *
 *     may be missing     M = max(1, share of the ring)
 *     missing now        agents that update, or were seen since the rollout began and are away: who was gone before
 *                        (a machine in a drawer) is not its doing, and would hold it up for ever
 *     next               M - missing of those that wait, in the order of their names
 *     halted             M or more came back with the old version: nobody else is asked to try it
 */
import { compareVersions } from '@labmesh/wire/fleet/releases';

export type PlannedAgent = {
  id: string;
  hostname: string;
  version: string | null;
  pin: string | null;
  badVersions: readonly string[];
  desired: string | null;
  updateState: string | null;
  /** Connected to a replica that lives. */
  isUp: boolean;
  /** Unix ms. */
  lastSeenAt: number | null;
};
/** `startedAt`: Unix ms. */
export type WantedRollout = { version: string; downgrade: boolean; maxUnavailable: string; startedAt: number };

export type Standing = 'done' | 'bad' | 'updating' | 'waiting' | 'away' | 'left';
export type RolloutPlan = {
  state: 'running' | 'halted' | 'done';
  counts: Record<Standing, number>;
  /** Agents that are wished to update now. */
  next: string[];
  badAgents: string[];
};

const badAgentsShown = 20;

/** `10%` of 25 is 2; never less than one, or nothing would ever happen. */
export function missingMax(share: string, agents: number): number {
  const count = share.endsWith('%') ? Math.floor((Number(share.slice(0, -1)) / 100) * agents) : Number(share);
  return Math.max(1, count);
}

/** Where one agent stands with regard to a version. */
export function standingOf(agent: PlannedAgent, wanted: { version: string; downgrade: boolean }): Standing {
  const { version } = wanted;
  if (agent.version === version) return 'done';
  if (agent.badVersions.includes(version)) return 'bad';
  if ((agent.pin !== null && agent.pin !== version) || agent.updateState === 'off') return 'left';
  if (!wanted.downgrade && agent.version !== null && compareVersions(agent.version, version) > 0) return 'done';
  if (agent.desired === version) return 'updating';
  return agent.isUp ? 'waiting' : 'away';
}

/** Gone since the rollout began. */
const isLost = ({ isUp, lastSeenAt }: PlannedAgent, { startedAt }: WantedRollout): boolean =>
  !isUp && lastSeenAt !== null && lastSeenAt >= startedAt;

export function planRollout(wanted: WantedRollout, agents: readonly PlannedAgent[]): RolloutPlan {
  const counts: Record<Standing, number> = { done: 0, bad: 0, updating: 0, waiting: 0, away: 0, left: 0 };
  const waiting: PlannedAgent[] = [];
  const badAgents: string[] = [];
  let missing = 0;
  for (const agent of agents) {
    const standing = standingOf(agent, wanted);
    counts[standing]++;
    if (standing === 'updating' || isLost(agent, wanted)) missing++;
    if (standing === 'waiting') waiting.push(agent);
    if (standing === 'bad') badAgents.push(agent.hostname);
  }
  const max = missingMax(wanted.maxUnavailable, agents.length);
  const isHalted = counts.bad >= max;
  const isOver = counts.updating + counts.waiting + counts.away === 0;
  const inOrder = waiting.toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1));
  return {
    state: isOver ? 'done' : isHalted ? 'halted' : 'running',
    counts,
    next: isHalted ? [] : inOrder.slice(0, Math.max(0, max - missing)).map(({ id }) => id),
    badAgents: badAgents.toSorted().slice(0, badAgentsShown),
  };
}
