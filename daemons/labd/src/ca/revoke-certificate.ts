/** Revokes one certificate: its row for the lists, a denial that cuts it everywhere within two seconds (P2, CA-8). */
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { DenyList } from './deny-list.ts';

/** Identity (SPIFFE URI), kind and id of whoever held it. */
export type Revoked = { identity: string; kind: string; subjectId: string };

/** Safe to repeat: the first time of revocation stays. @throws FleetError NOT_FOUND. */
export async function revokeCertificate(
  tx: Writer,
  denials: Pick<DenyList, 'deny'>,
  revocation: { serial: string; reason: string; now: number },
): Promise<Revoked> {
  const { reason, now } = revocation;
  const serial = revocation.serial.toLowerCase();
  const row = await tx.selectFrom('certificates').selectAll().where('id', '=', serial).executeTakeFirst();
  if (row === undefined) throw new FleetError('NOT_FOUND');
  const { identity, kind, subject_id: subjectId } = row;
  if (row.revoked_at === null) {
    await tx.updateTable('certificates').set({ revoked_at: now }).where('id', '=', serial).execute();
  }
  await denials.deny(tx, 'serial', serial, reason);
  return { identity, kind, subjectId };
}
