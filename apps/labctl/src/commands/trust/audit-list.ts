import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import { defineFleetCommand } from '../../fleet-command.ts';
import { parseInstant } from '../../grammar/instant.ts';
import { auditView } from '../../output/record-views.ts';

/** Most of one page (AP-3). */
const pageMax = 500;

/** AU-1 rows, newest first. For reading; `audit export` is for keeping. */
export const auditList = defineFleetCommand({
  name: 'audit list',
  summary: 'Shows rows of the audit log, newest first: who did what to what, when, and how it ended.',
  usage:
    'labctl audit list [--action A --principal P --resource R --result ok|denied|error] [--since T --until T] [--limit N]',
  examples: [
    'labctl audit list --result denied --since 1d',
    'labctl audit list --principal user:alice --action exec.open -o wide',
    'labctl audit list --resource server/web-1 --limit 1000 -o ndjson',
  ],
  options: {
    action: { type: 'string', flag: 'action', placeholder: 'NAME', help: 'what was done: create-token, exec.open' },
    principal: { type: 'string', flag: 'principal', placeholder: 'WHO', help: 'by whom: user:alice' },
    resource: { type: 'string', flag: 'resource', placeholder: 'WHAT', help: 'to what: server/web-1' },
    outcome: { type: 'string', flag: 'result', choices: ['ok', 'denied', 'error'], help: 'how it ended' },
    since: { type: 'string', flag: 'since', placeholder: 'TIME', help: 'from then on: 2h, or 2026-01-01T12:00:00Z' },
    until: { type: 'string', flag: 'until', placeholder: 'TIME', help: 'up to then' },
    limit: { type: 'integer', flag: 'limit', min: 1, max: 100_000, default: 100, help: 'most rows' },
  },
  positionalsMax: 0,
  async run({ values, labd, result, note, world }) {
    const { action, principal, resource, outcome, limit } = values;
    const now = world.clock.wall();
    const instant = (flag: 'since' | 'until') => {
      const text = values[flag];
      return text === undefined ? undefined : parseInstant(text, { flag: `--${flag}`, spans: 'ago', now });
    };
    const filters = { action, principal, resource, result: outcome, since: instant('since'), until: instant('until') };
    const client = await labd();
    const items: AuditRow[] = [];
    let nextCursor: string | null = null;
    do {
      const pageSize = Math.min(pageMax, limit - items.length);
      const query = { ...filters, limit: pageSize, ...(nextCursor !== null && { cursor: nextCursor }) };
      // A page may be short, or empty, and others follow: labd looks through so many rows at once.
      const page: { items: AuditRow[]; nextCursor: string | null } = await client.call('list-audit', { query });
      items.push(...page.items);
      ({ nextCursor } = page);
    } while (items.length < limit && nextCursor !== null);
    await result.list({ items, nextCursor }, auditView);
    if (items.length === 0) note('no rows');
    else if (nextCursor !== null) note(`there are more; --limit ${limit * 10} shows more`);
  },
});
