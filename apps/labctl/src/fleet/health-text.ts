/** What labd says of its own state (AP-11), a line each. */
import type { detailedHealthSchema } from '@labmesh/wire/fleet/resources/records';
import type { z } from 'zod';
import { span, until } from '../terminal/span.ts';

export type DetailedHealth = z.infer<typeof detailedHealthSchema>;

/** `now`: Unix ms. */
export function healthFields(health: DetailedHealth, now: number): [name: string, value: unknown][] {
  const { database, agents, replicas, audit, ca } = health;
  const live = replicas.filter((replica) => replica.live).length;
  const latency = database.latencyMs === null ? '' : `, ${Math.round(database.latencyMs * 10) / 10} ms`;
  const lost = replicas.filter((replica) => !replica.live).map(({ id }) => id);
  return [
    ['State', health.status],
    ['Version', `${health.version}, up ${span(health.uptimeS * 1000)}`],
    ['Replica', health.replicaId],
    ['Replicas', `${live} of ${replicas.length} live${lost.length === 0 ? '' : `; lost: ${lost.join(', ')}`}`],
    ['Agents', `${agents.connected} of ${agents.known} connected here`],
    ['Database', `${database.engine}, ${database.status}${latency}`],
    ['Audit', `row ${audit.headSeq}${audit.lagMs > 0 ? `, ${span(audit.lagMs)} behind` : ''}`],
    ['CA', `${ca.phase}${ca.notAfter === null ? '' : `, issuing certificate ends ${until(ca.notAfter, now)}`}`],
    ['Loop delay', `p99 ${Math.round(health.loopDelayP99Ms * 10) / 10} ms`],
  ];
}
