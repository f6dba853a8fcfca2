/**
 * The keys of a backup. What is sealed in it (CA keys, audit keys, kubeconfigs) opens with its KEK alone; without
 * `withKey` the backup does not hold that, and whoever restores has to have the key file, or the passphrase, of then.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { loadTables } from '@labmesh/store/dump/load-tables';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { join } from 'node:path';
import { addToKeyFile, createKeyFile, readKeyFile } from '@labmesh/pki/seal/key-file';
import { openSecrets } from '../secrets/open-secrets.ts';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import type { BackupReader } from './read-backup.ts';

/** Where the keys are: as labd's own settings say. */
export type KeyPlace = {
  dataDir: string;
  /** Default `<dataDir>/kek.key`. */
  keyFile?: string;
  /** CA_ENCRYPTION_KEY. */
  passphrase?: string;
};

export const keyFileOf = (place: KeyPlace): string => place.keyFile ?? join(place.dataDir, 'kek.key');

/** Adds the keys that came with the backup to the key file, keeping those that are there. Gives how many were new. */
export async function installKeys(backup: BackupReader, place: KeyPlace): Promise<number> {
  await using brought = await backup.keyFile();
  if (brought === undefined) return 0;
  const path = keyFileOf(place);
  const known = new Set(((await readKeyFile(path)) ?? []).map(({ id }) => id));
  const fresh = ((await readKeyFile(brought.path)) ?? []).filter(({ id }) => !known.has(id));
  for (const kek of fresh) {
    const isMade = known.size === 0 && (await createKeyFile(path, kek));
    if (!isMade) await addToKeyFile(path, kek);
    known.add(kek.id);
  }
  return fresh.length;
}

/**
 * Opens the backup's keys in a store that holds nothing else: says before anything is restored whether they are there.
 * @throws SecretsRefused (exitCode 78) naming the key id and what to do.
 */
export async function checkKeys(backup: BackupReader, place: KeyPlace, clock: Clock, log: Logger): Promise<void> {
  if (backup.keyRows.length === 0) return;
  await using store = await openStore({ url: 'sqlite::memory:', log, clock });
  const rows = (async function* keyRows() {
    for (const row of backup.keyRows) yield { table: 'secret_keys', row };
  })();
  await loadTables(store, system('check-backup'), rows);
  try {
    await using _ = await openSecrets({ store, clock, log, ...place });
  } catch (error) {
    if (!(error instanceof SecretsRefused)) throw error;
    const [id = error.keyId ?? 'unknown'] = backup.manifest.keyIds;
    throw new SecretsRefused(
      `this backup is sealed with key ${id}, which it does not hold: put the key file of then at ${keyFileOf(place)}` +
        ` (or set CA_ENCRYPTION_KEY as it was then). ${error.message}`,
      id,
    );
  }
}
