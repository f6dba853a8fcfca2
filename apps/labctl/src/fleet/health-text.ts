/** What labd says of its own state (AP-11), a line each. */
import type { detailedHealthSchema } from '@labmesh/wire/fleet/resources/records';
import type { z } from 'zod';
import { renderFields } from '../output/result.ts';
import { safeText } from '../terminal/safe-text.ts';
import { span, until } from '../terminal/span.ts';
import type { Asked } from './ask-configured.ts';

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

/** A labd that is set up for this account: its state, or why it says nothing. */
export type LabdAnswer = Asked<DetailedHealth>;

/** A block of `status`, with an empty line before it. `now`: Unix ms. */
export function labdText(labd: LabdAnswer, now: number): string {
  if ('problem' in labd) return `\nlabd       ${safeText(labd.problem.message)}\n`;
  const fields = healthFields(labd.answer, now).map(([name, value]) => [name.toLowerCase(), value] as const);
  return `\nlabd       ${labd.url}\n${renderFields(fields)}`;
}

export const labdObject = (labd: LabdAnswer) =>
  'problem' in labd ? { url: labd.url, reason: labd.problem.message } : { url: labd.url, ...labd.answer };
