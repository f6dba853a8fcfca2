/** The certificate that a path names: by its own id, its run's, or that of the request whose answer was looked at (RP6). */
import type { Store } from '@labmesh/store/store';
import type { Context } from 'hono';
import { type CertificateRow, findCertificate } from '../../certify/certificate-rows.ts';
import type { Issuer } from '../../certify/issuer.ts';
import { findRun } from '../../rows/find-run.ts';
import { storedRun } from '../../rows/run-rows.ts';
import { idOf, tenantOf } from '../arena-caller.ts';
import { ArenaRefused } from '../arena-refused.ts';
import { statusOf } from '../run-views.ts';

/** A client of audit and shadow waits for it under the id that its answer came with: it is told whether to wait on. */
function missing(run: Awaited<ReturnType<typeof findRun>>): ArenaRefused {
  if (run === undefined) return new ArenaRefused('NOT_FOUND', 'there is no certificate with this id, or of this run');
  const status = statusOf(storedRun(run));
  const why = status === 'pending' ? 'has not ended yet' : `ended ${status}, without a certificate`;
  return new ArenaRefused('NOT_FOUND', `the run ${run.id} ${why}`);
}

/** Without its proof nobody can verify it: a checkpoint is near. @throws ArenaRefused NOT_FOUND; another tenant's is not there */
export async function wantedCertificate(
  c: Context,
  { store, issuer }: { store: Store; issuer: Issuer },
): Promise<CertificateRow> {
  const asked = idOf(c, 'certificate');
  const tenant = tenantOf(c);
  const run = await findRun(store, tenant, asked);
  const find = () => findCertificate(store, tenant, run?.id ?? asked);
  let row = await find();
  if (row?.log_index === null) {
    await issuer.logged(row.run_id);
    row = await find();
  }
  if (row === undefined) throw missing(run);
  return row;
}
