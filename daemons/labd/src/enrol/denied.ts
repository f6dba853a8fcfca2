/** The deny list as the transaction sees it: what was denied a moment ago on another replica counts (CA-8, CA-9). */
import type { Reader } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { DenySubject } from '../ca/deny-list.ts';

/** @throws FleetError BANNED for a key, machine or identity under a ban; REVOKED for a serial or identity revoked. */
export async function refuseDenied(db: Reader, subject: DenySubject): Promise<void> {
  const { serial, identity, keyHash, machineId } = subject;
  const asked = [
    ['serial', serial],
    ['identity', identity],
    ['key', keyHash],
    ['machine', machineId],
  ] as const;
  const found = await db
    .selectFrom('denials')
    .select('kind')
    .where('lifted_at', 'is', null)
    .where((on) =>
      on.or(
        asked.flatMap(([kind, value]) =>
          value === undefined ? [] : [on.and([on('kind', '=', kind), on('value', '=', value)])],
        ),
      ),
    )
    .execute();
  if (found.length === 0) return;
  throw new FleetError(found.some(({ kind }) => kind === 'key' || kind === 'machine') ? 'BANNED' : 'REVOKED');
}
