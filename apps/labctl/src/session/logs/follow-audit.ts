/** `labctl logs audit`: the last rows of the audit log, oldest first, and with -f those that come (AU-7). */
import type { Clock } from '@labmesh/kit/clock';
import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import type { LabdClient } from '../../client/labd-client.ts';

export type AuditWish = {
  follow: boolean;
  /** Rows to begin with; undefined: all since `since`. */
  tail: number | undefined;
  /** RFC 3339. */
  since: string | undefined;
  until: string | undefined;
};

export type AuditParts = {
  labd: Pick<LabdClient, 'call'>;
  show: (rows: readonly AuditRow[]) => Promise<void>;
  clock: Clock;
  signal: AbortSignal;
};

const pollMs = 2_000;
/** Rows of other replicas may be committed later than their time says. */
const overlapMs = 10_000;
const pageMax = 500;
const rowsMax = 100_000;

const keyOf = ({ chain, seq }: AuditRow) => `${chain}/${seq}`;

/** Rows newest first as the API gives them, up to `count` of them. */
async function newest(
  labd: AuditParts['labd'],
  query: { since?: string; until?: string },
  count: number,
): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(pageMax, count - rows.length);
    const page = await labd.call('list-audit', { query: { ...query, limit, ...(cursor !== undefined && { cursor }) } });
    rows.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && rows.length < count);
  return rows;
}

/** To the end of what there is, or with `follow` until the signal. @throws LabdError, the signal's reason */
export async function followAudit(wish: AuditWish, { labd, show, clock, signal }: AuditParts): Promise<void> {
  const { follow, tail = rowsMax, since, until } = wish;
  const bounds = { ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
  const first = tail === 0 && !follow ? [] : await newest(labd, bounds, Math.max(1, tail));
  await show(tail === 0 ? [] : first.toReversed());
  let seen = new Map(first.map((row) => [keyOf(row), Date.parse(row.at)]));
  let last = Math.max(clock.wall() - overlapMs, ...seen.values());
  while (follow) {
    await clock.sleep(pollMs, signal);
    const from = last - overlapMs;
    const query = { since: new Date(from).toISOString(), ...(until !== undefined && { until }) };
    const found = await newest(labd, query, rowsMax);
    const fresh = found.filter((row) => !seen.has(keyOf(row)));
    seen = new Map(
      [...seen, ...fresh.map((row) => [keyOf(row), Date.parse(row.at)] as const)].filter(([, at]) => at >= from),
    );
    last = Math.max(last, ...fresh.map((row) => Date.parse(row.at)));
    // Those of a time before the first poll were not asked for.
    const wanted = since === undefined ? fresh : fresh.filter((row) => row.at >= since);
    if (wanted.length > 0) await show(wanted.toReversed());
  }
}
