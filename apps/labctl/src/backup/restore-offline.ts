/** Half of labd: loaded for `backup restore` alone. */
import { join } from 'node:path';
import { restoreBackup } from '@labmesh/labd/backup/restore-backup';
import { PublicKeyFiles } from '@labmesh/labd/nodes/public-key-files';
import { RecordingFolder } from '@labmesh/labd/recordings/recording-folder';
import { openStore } from '@labmesh/store/open-store';

type Restore = Parameters<typeof restoreBackup>[0];
type Where = { url: string | undefined; dataDir: string };

/** Restores into the store of `url`, by default that of the data folder, and puts recordings and public keys of the tunnel there. */
export async function restoreOffline({ url, dataDir }: Where, restore: Omit<Restore, 'store' | 'recordings'>) {
  const { log, clock } = restore;
  await using store = await openStore({ url: url ?? `sqlite://${join(dataDir, 'labd.db')}`, log, clock });
  const recordings = new RecordingFolder(join(dataDir, 'recordings'));
  return await restoreBackup({ ...restore, store, recordings, publicKeys: new PublicKeyFiles(join(dataDir, 'keys')) });
}
