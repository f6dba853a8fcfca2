/**
 * Audit rows and certificates a second, each over the store they go to, beside what they are made of. A process of its
 * own, pinned nowhere: PostgreSQL works beside it.
 *
 *     bun bench/fleet/ledger.ts     prints one line of JSON
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { uuidv7 } from '@labmesh/wire/ids';
import { openAuditLog } from '../../daemons/labd/src/audit/audit-log.ts';
import { openSecrets } from '../../daemons/labd/src/secrets/open-secrets.ts';
import { postgresAvailable, startPostgres } from '../../tests/harness/start-postgres.ts';
import { type IssueParts, issueRates, perSecond } from './issue-rates.ts';

const auditRows = 40_000;
const singleRows = 500;
/** Rows under way at a time. */
const wave = 2_000;

/** A row like that of an exec. */
const entryOf = (index: number) => ({
  principal: { kind: 'user', id: uuidv7(), name: 'bench' } as const,
  phase: 'start' as const,
  action: 'exec.open',
  resource: `server/web-${index % 500}`,
  resourceId: uuidv7(),
  session: uuidv7(),
  sourceIp: '10.0.0.1',
  requestId: `req_${index}`,
  result: 'ok' as const,
  details: { argv: ['systemctl', 'status', 'nginx'], login: 'root', tty: false, detach: false, env: [] },
});

async function withStore<T>(url: string, folder: string, work: (parts: IssueParts) => Promise<T>): Promise<T> {
  await using store = await openStore({ url });
  await using secrets = await openSecrets({ store, dataDir: folder, clock: systemClock, log: silentLogger });
  return await work({ store, secrets });
}

/** Rows a second by groups as they form under load, and one by one, each waited for. */
async function auditRates({ store, secrets }: IssueParts): Promise<{ grouped: number; single: number }> {
  await using log = await openAuditLog({ store, secrets, chain: uuidv7(), clock: systemClock, log: silentLogger });
  const append = async (count: number) => {
    for (let from = 0; from < count; from += wave)
      await Promise.all(Array.from({ length: Math.min(wave, count - from) }, (_, at) => log.append(entryOf(at))));
  };
  await append(2 * wave);
  const start = performance.now();
  await append(auditRows);
  const grouped = perSecond(auditRows, start);
  const from = performance.now();
  for (let index = 0; index < singleRows; index++) await log.append(entryOf(index));
  return { grouped, single: perSecond(singleRows, from) };
}

const folder = mkdtempSync(join(tmpdir(), 'labmesh-bench-'));
try {
  const url = `sqlite://${join(folder, 'labd.db')}`;
  const [audit, issue] = await withStore(url, folder, async (parts) => [
    await auditRates(parts),
    await issueRates(parts),
  ]);
  const metrics: Record<string, number> = {
    audit_rows_s: audit.grouped,
    audit_single_rows_s: audit.single,
    audit_batch_ratio: audit.grouped / audit.single,
    issue_per_s: issue.issued,
    issue_ratio_library: issue.issued / issue.library,
  };
  if (postgresAvailable() === undefined) {
    await using postgres = await startPostgres();
    const there = await withStore(await postgres.createDatabase(), folder, auditRates);
    metrics['audit_rows_s_postgres'] = there.grouped;
  }
  console.log(JSON.stringify(metrics));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
