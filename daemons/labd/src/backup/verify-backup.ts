/** Proves that a backup can be restored (BK-2): restores it into an SQLite of its own and verifies the audit chains there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTables } from '@labmesh/store/dump/load-tables';
import { openStore } from '@labmesh/store/open-store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { openSecrets, type Secrets } from '../secrets/open-secrets.ts';
import { checkKeys, keyFileOf, type KeyPlace } from './backup-keys.ts';
import type { Counts, Manifest } from './backup-content.ts';
import type { OpenedBackup } from './backup-file.ts';
import { BackupReader, checkCounts } from './read-backup.ts';
import type { World } from '../settings/world.ts';

export type VerifyOptions<T> = {
  /** From `openBackup`. */
  backup: OpenedBackup;
  principal: Principal;
  /** Used when the backup holds no key of its own. */
  keys: KeyPlace;
  /** Verifies the chains of the store that was restored. */
  verifyAudit: (store: World['store'], secrets: Secrets) => Promise<T>;
  clock: World['clock'];
  log: World['log'];
};

export type VerifiedBackup<T> = { manifest: Manifest; counts: Counts; audit: T };

/**
 * @throws FleetError VALIDATION_FAILED for a backup that is cut, changed or not ours; SecretsRefused without its key;
 *   what `verifyAudit` throws. Leaves nothing behind.
 */
export async function verifyBackup<T>(options: VerifyOptions<T>): Promise<VerifiedBackup<T>> {
  const { principal, verifyAudit, clock, log } = options;
  const backup = await BackupReader.open(options.backup);
  await using brought = await backup.keyFile();
  const place = brought === undefined ? options.keys : { dataDir: options.keys.dataDir, keyFile: brought.path };
  await checkKeys(backup, place, clock, log);
  const folder = await mkdtemp(join(tmpdir(), 'labmesh-verify-'));
  try {
    await using store = await openStore({ url: `sqlite://${join(folder, 'labd.db')}`, log, clock });
    checkCounts(await loadTables(store, principal, backup.rows()), backup.counts);
    // Without a single key nothing was ever sealed; opening would make one beside the operator's.
    const keyFile = backup.keyRows.length === 0 ? join(folder, 'kek.key') : keyFileOf(place);
    await using secrets = await openSecrets({ store, clock, log, ...place, keyFile });
    return { manifest: backup.manifest, counts: backup.counts, audit: await verifyAudit(store, secrets) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
