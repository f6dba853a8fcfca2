/**
 * Puts a backup into an empty store of either engine (BK-2). In this order, so that what cannot work changes nothing:
 *
 *     read the whole file ─> keys there? ─> store empty? rows in ─> counts ─> what was running is over ─> new audit chain
 *
 * Agents come back by their certificates: the CA keys, serials and the deny list are those of the backup. Revocations
 * that were made after it are not in it.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadTables } from '@labmesh/store/dump/load-tables';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { RecordingFolder } from '../recordings/recording-folder.ts';
import { openSecrets } from '../secrets/open-secrets.ts';
import type { Counts, Manifest } from './backup-content.ts';
import type { OpenedBackup } from './backup-file.ts';
import type { PublicKeySink } from './backup-public-keys.ts';
import { checkKeys, installKeys, type KeyPlace } from './backup-keys.ts';
import { BackupReader, checkCounts, type OnRecording } from './read-backup.ts';
import { writeRestoredRow, type RestoredRow } from './restored-row.ts';
import type { World } from '../settings/world.ts';

export type Restored = {
  manifest: Manifest;
  counts: Counts;
  /** The new audit chain, to be this labd's replica id: the old chains end with the backup. */
  chain: string;
  /** Keys that were added to the key file. */
  keysAdded: number;
};

export type RestoreOptions = {
  store: World['store'];
  /** From `openBackup`. */
  backup: OpenedBackup;
  principal: Principal;
  keys: KeyPlace;
  /** Where recordings of the backup go; without it they stay in the backup. */
  recordings?: RecordingFolder;
  /** Where public keys of the tunnel's peers go; without it they stay in the backup. */
  publicKeys?: PublicKeySink;
  /** Begins the new audit chain; unless given, by its row `restored-from`. */
  begin?: (restored: RestoredRow) => Promise<void>;
  clock: World['clock'];
  log: World['log'];
};

/** Sessions and recordings that ran when the backup was made run no more. */
async function endWhatRan(store: World['store'], principal: Principal, at: number): Promise<void> {
  await store.write(principal, async (tx) => {
    const running = tx.updateTable('sessions').set({ state: 'lost', ended_at: at });
    await running.where('state', 'in', ['open', 'detached']).execute();
    await tx.updateTable('recordings').set({ ended_at: at }).where('ended_at', 'is', null).execute();
  });
}

/** Writes recordings that are not there yet. */
const writeRecordings =
  (folder: RecordingFolder): OnRecording =>
  async (name, { body }) => {
    // The row's url is the only way to a file, so a name that is no url of ours leads nowhere.
    const path = folder.find(`file:${name}`);
    if (path === undefined) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
      if ((error as { code?: string }).code === 'EEXIST') return undefined;
      throw error;
    });
    if (file === undefined) return;
    try {
      for await (const piece of body) await file.writeFile(piece);
    } finally {
      await file.close();
    }
  };

/**
 * @throws FleetError VALIDATION_FAILED for a backup that is cut, changed or not ours (nothing was changed then);
 *   CONFLICT when the store is not empty; SecretsRefused (exitCode 78) without the backup's key; STORE_UNAVAILABLE.
 *   A store that was half restored says so at the next start and the next restore.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { store, principal, keys, recordings, publicKeys, clock, log } = options;
  const backup = await BackupReader.open(options.backup);
  const { manifest, counts } = backup;
  const keysAdded = await installKeys(backup, keys);
  await checkKeys(backup, keys, clock, log);
  const onRecording = recordings === undefined ? undefined : writeRecordings(recordings);
  const rows = backup.rows(onRecording, publicKeys && ((key) => publicKeys.write(key)));
  checkCounts(await loadTables(store, principal, rows), counts);
  await endWhatRan(store, principal, clock.wall());
  const restored = { manifest, counts, chain: uuidv7(), keysAdded };
  await using secrets = await openSecrets({ store, clock, log, ...keys });
  const { begin = writeRestoredRow } = options;
  await begin({ ...restored, store, secrets, principal, clock, log });
  return restored;
}
