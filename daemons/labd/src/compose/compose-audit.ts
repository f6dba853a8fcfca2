/** The audit log of this replica, and what reads it at length. */
import type { Metrics } from '@labmesh/kit/metrics';
import { canReadBeside } from '@labmesh/store/store-url';
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
  /** As the store was opened. */
  ground: { databaseUrl: string };
  replicaId: string;
  metrics: Metrics;
};
export type Audit = { audit: AuditLog; auditReader: AuditReader };

const commitBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2];

/** @throws FleetError STORE_UNAVAILABLE; INTERNAL when an audit key does not open. */
export async function composeAudit(parts: AuditParts, stack: AsyncDisposableStack): Promise<Audit> {
  const { store, secrets, replicaId: chain, options, clock, log } = parts;
  const { databaseUrl } = parts.ground;
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
  // In memory there is one connection and one thread.
  const beside = canReadBeside(databaseUrl);
  const auditReader = stack.use(
    beside ? new AuditThread({ databaseUrl, keys, log }) : new LocalReader({ store, keys }),
  );
  return { audit, auditReader };
}
