/** What a server's state is, from what is stored and when it was last heard (HB-8, HB-9, P4). */
import { serverStatuses, type ServerStatus } from '@labmesh/wire/fleet/resources/servers';

/** Silence, in heartbeats, after which an agent is suspect, then offline and cut. */
export const suspectBeats = 1.5;
export const offlineBeats = 2.5;
/** Last-seen times are written in batches: another replica's are this much older than the truth. */
export const flushMs = 5_000;

const decided = new Set<string>(['waiting-approval', 'banned', 'conflict', 'retired']);

export type Heard = {
  /** `servers.status`. */
  stored: string;
  /** How long ago, ms, when it is connected to this replica. */
  silentMs?: number | undefined;
  /** When another live replica holds it: how old the last flush is, ms. */
  elsewhereMs?: number | undefined;
  heartbeatMs: number;
};

export function serverStatus({ stored, silentMs, elsewhereMs, heartbeatMs }: Heard): ServerStatus {
  if (decided.has(stored)) return serverStatuses.find((status) => status === stored) ?? 'offline';
  const silence = silentMs ?? (elsewhereMs === undefined ? undefined : elsewhereMs - flushMs);
  if (silence === undefined || silence > offlineBeats * heartbeatMs) return 'offline';
  return silence > suspectBeats * heartbeatMs ? 'suspect' : 'online';
}
