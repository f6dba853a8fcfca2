/** What `status` says of a server (HB-8, HB-9). Online is computed each time, never stored. */
import type { ServerStatus } from '@labmesh/wire/fleet/resources/servers';

export type StatusFacts = {
  /** `servers.status`. */
  stored: string;
  /** A CSR waits for an operator. */
  isPending: boolean;
  /** The directory has a row: some replica holds its connection. */
  isConnected: boolean;
  /** Unix ms. */
  lastSeenAt: number | null;
};

/** Silent this many intervals. */
const suspectAfter = 1.5;
const offlineAfter = 2.5;

/** `heartbeatMs` is the interval the agent was told. A decision of an operator comes before what the link says. */
export function serverStatus(facts: StatusFacts, now: number, heartbeatMs: number): ServerStatus {
  const { stored } = facts;
  if (stored === 'retired' || stored === 'banned') return stored;
  if (facts.isPending || stored === 'waiting-approval') return 'waiting-approval';
  if (stored === 'conflict') return 'conflict';
  const silentMs = facts.lastSeenAt === null ? Infinity : now - facts.lastSeenAt;
  if (!facts.isConnected || silentMs >= offlineAfter * heartbeatMs) return 'offline';
  return silentMs >= suspectAfter * heartbeatMs ? 'suspect' : 'online';
}
