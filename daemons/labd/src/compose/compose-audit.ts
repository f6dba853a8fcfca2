/** The audit log of this replica, and what reads it at length. */
import type { Metrics } from '@labmesh/kit/metrics';
import { type AuditLog, openAuditLog } from '../audit/audit-log.ts';
import type { AuditReader } from '../audit/reading/audit-reader.ts';
import { AuditThread } from '../audit/reading/audit-thread.ts';
import { LocalReader } from '../audit/reading/local-reader.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';

export type AuditParts = World & {
  options: LabdOptions;
  secrets: Sealer;
  replicaId: string;
  metrics: Metrics;
};
export type Audit = { audit: AuditLog; auditReader: AuditReader };

const commitBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2];

/** @throws FleetError STORE_UNAVAILABLE; INTERNAL when an audit key does not open. */
export async function composeAudit(parts: AuditParts, stack: AsyncDisposableStack): Promise<Audit> {
  const { store, secrets, replicaId: chain, options, clock, log } = parts;
  // Most commits are one round trip of the database; above the last bound the caller has heard AUDIT_UNAVAILABLE.
  const commits = parts.metrics.histogram('audit_commit_seconds', 'A commit of audit rows.', commitBuckets).labels();
  const auditOptions = {
    onCommit: (_rows: number, ms: number) => commits.observe(ms / 1000),
    commitWaitMs: options.auditCommitWaitMs,
    commitRows: options.auditCommitRows,
    queueMax: options.auditQueueMax,
    writeTimeoutMs: options.auditWriteTimeoutMs,
  };
  const audit = stack.use(await openAuditLog({ store, secrets, chain, clock, log, options: auditOptions }));
  const { keys } = audit;
  // A database in memory has one connection and one thread.
  const { besideUrl: databaseUrl } = store;
  const auditReader = stack.use(
    databaseUrl === undefined ? new LocalReader({ store, keys }) : new AuditThread({ databaseUrl, keys, log }),
  );
  return { audit, auditReader };
}
