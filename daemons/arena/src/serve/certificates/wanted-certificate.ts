/** The certificate that a path names: by its own id, its run's, or that of the request whose answer was looked at (RP6). */
import type { Store } from '@labmesh/store/store';
import type { Context } from 'hono';
import { type CertificateRow, findCertificate } from '../../certify/certificate-rows.ts';
import type { Issuer } from '../../certify/issuer.ts';
import { findRun } from '../../rows/find-run.ts';
import { type StoredRun, storedRun } from '../../rows/run-rows.ts';
import { idOf, tenantOf } from '../arena-caller.ts';
import { ArenaRefused } from '../arena-refused.ts';
import { statusOf } from '../run-views.ts';

/** A client of audit and shadow waits for it under the id that its answer came with: it is told whether to wait on. */
export function missingCertificate(run: StoredRun | undefined, issuer: Issuer): ArenaRefused {
  if (run === undefined) return new ArenaRefused('NOT_FOUND', 'there is no certificate with this id, or of this run');
  if (issuer.isWaiting(run.id)) {
    const text = `the certificate of the run ${run.id} is pending: the service that signs does not answer`;
    return new ArenaRefused('CERTIFICATE_PENDING', text);
  }
  const status = statusOf(run);
  const why = status === 'pending' ? 'has not ended yet' : `ended ${status}, without a certificate`;
  return new ArenaRefused('NOT_FOUND', `the run ${run.id} ${why}`);
}

type Found = { row: CertificateRow; run?: undefined } | { row?: undefined; run: StoredRun | undefined };

/** Or the run that has none. Without its proof nobody can verify one: a checkpoint is near. Another tenant's is not there. */
export async function findWanted(c: Context, { store, issuer }: { store: Store; issuer: Issuer }): Promise<Found> {
  const asked = idOf(c, 'certificate');
  const tenant = tenantOf(c);
  const run = await findRun(store, tenant, asked);
  const find = () => findCertificate(store, tenant, run?.id ?? asked);
  let row = await find();
  if (row?.log_index === null) {
    await issuer.logged(row.run_id);
    row = await find();
  }
  return row === undefined ? { run: run && storedRun(run) } : { row };
}

/** @throws ArenaRefused NOT_FOUND */
export async function wantedCertificate(c: Context, parts: { store: Store; issuer: Issuer }): Promise<CertificateRow> {
  const { row, run } = await findWanted(c, parts);
  if (row === undefined) throw missingCertificate(run, parts.issuer);
  return row;
}
