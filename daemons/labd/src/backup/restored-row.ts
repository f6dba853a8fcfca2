/** The first row of the chain that a restored store goes on with (BK-2): where its rows came from. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { openAuditLog } from '../audit/audit-log.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { Manifest } from './backup-content.ts';

export type RestoredRow = {
  store: Store;
  secrets: Sealer;
  chain: string;
  principal: Principal;
  manifest: Manifest;
  clock: Clock;
  log: Logger;
};

/** Opens the chain, writes its row `restored-from`, and closes it: labd goes on from there. @throws FleetError AUDIT_UNAVAILABLE. */
export async function writeRestoredRow(parts: RestoredRow): Promise<void> {
  const { store, secrets, chain, principal, manifest, clock, log } = parts;
  await using audit = await openAuditLog({ store, secrets, chain, clock, log });
  const { createdAt, engine, release } = manifest;
  await audit.append({
    principal,
    phase: 'single',
    action: 'restored-from',
    resource: 'backups',
    result: 'ok',
    details: { createdAt: new Date(createdAt).toISOString(), engine, release },
  });
}
