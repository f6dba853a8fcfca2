/** Rows and files that a crash or a lost store left behind, and those that are too old. */
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import type { RecordingsTable } from '@labmesh/store/tables';
import { system } from '@labmesh/wire/fleet/principal';
import type { RecordingArchive } from './archive/recording-archive.ts';
import type { Sealer } from '../secrets/sealer.ts';
import { openPart } from './open-part.ts';
import { sealedPart } from './read-recording.ts';
import type { RecordingFolder } from './recording-folder.ts';

const pageRows = 100;
export const retentionDefaultMs = 90 * 86_400_000;

export type SettleOptions = {
  store: Store;
  secrets: Sealer;
  folder: RecordingFolder;
  replicaId: string;
  clock: Clock;
  /** Whether a recording runs here (`Recorder.isActive`). */
  isActive: (id: string) => boolean;
};

/** Length and hash of a part's file; the hash is null for one without its end. */
async function measure(row: RecordingsTable, { folder, secrets }: SettleOptions) {
  const file = await sealedPart(folder, row);
  if (file === undefined) return { bytes: 0, sha256: null };
  const hash = new Bun.CryptoHasher('sha256');
  let bytes = 0;
  async function* counted(pieces: AsyncIterable<Uint8Array>) {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  try {
    for await (const _ of openPart(row, counted(file), secrets));
    return { bytes, sha256: hash.digest('hex') };
  } catch {
    // Cut, damaged, or its key is gone: play says which; here it only has no proper end.
    return { bytes, sha256: null };
  }
}

/**
 * Ends the rows of this replica that nobody writes any more: at the start, and again when the store was away. A part
 * whose file is whole gets its hash. Gives how many; safe to run twice.
 */
export async function settleParts(options: SettleOptions): Promise<number> {
  const { store, replicaId, clock, isActive } = options;
  const principal = system('settle-recordings');
  let settled = 0;
  for (let after = ''; ;) {
    const rows = await store.read(principal, (db) =>
      db
        .selectFrom('recordings')
        .selectAll()
        .where('replica_id', '=', replicaId)
        .where('ended_at', 'is', null)
        .where('id', '>', after)
        .orderBy('id')
        .limit(pageRows)
        .execute(),
    );
    for (const row of rows.filter(({ id }) => !isActive(id))) {
      const found = { ...(await measure(row, options)), ended_at: clock.wall() };
      await store.write(principal, async (tx) => {
        const update = tx.updateTable('recordings').set(found).where('id', '=', row.id);
        await update.where('ended_at', 'is', null).execute();
      });
      settled++;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows) return settled;
    after = last.id;
  }
}

/**
 * Removes recordings older than `retentionMs` (90 d): rows of all replicas (one replica at a time: the caller holds a
 * lease), with their parts in the bucket, and the files of this one, which every replica does for itself.
 * @throws BucketError; the rows of what could not be removed there stay
 */
export async function pruneRecordings(
  options: Pick<SettleOptions, 'store' | 'folder' | 'clock'> & {
    retentionMs?: number;
    rows: boolean;
    /** Without one, rows whose part is in a bucket stay: nobody could remove it later. */
    archive?: Pick<RecordingArchive, 'remove'> | undefined;
  },
): Promise<{ rows: number; folders: number }> {
  const { store, folder, clock, archive, retentionMs = retentionDefaultMs } = options;
  const before = clock.wall() - retentionMs;
  const folders = await folder.sweep(before);
  const principal = system('prune-recordings');
  let rows = 0;
  while (options.rows) {
    const old = await store.read(principal, (db) => {
      const page = db.selectFrom('recordings').select(['id', 'url']).where('created_at', '<', before);
      const ours = archive === undefined ? page.where('url', 'like', 'file:%') : page;
      return ours.orderBy('created_at').limit(pageRows).execute();
    });
    // First there: a row without its part is nothing, a part without its row stays for ever.
    await archive?.remove(old.map(({ url }) => url));
    const ids = old.map(({ id }) => id);
    if (ids.length > 0)
      await store.write(principal, (tx) => tx.deleteFrom('recordings').where('id', 'in', ids).execute());
    const gone = ids.length;
    rows += gone;
    if (gone < pageRows) break;
  }
  return { rows, folders };
}
