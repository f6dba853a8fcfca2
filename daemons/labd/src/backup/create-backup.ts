/** Makes a backup (BK-1): one consistent snapshot of the store, as a stream or as a file. */
import { open, rename, rm } from 'node:fs/promises';
import type { DataTable } from '@labmesh/store/dump/columns';
import { dataTables } from '@labmesh/store/dump/columns';
import { dumpTables, volatileTables } from '@labmesh/store/dump/dump-tables';
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { RecordingFolder } from '../recordings/recording-folder.ts';
import { readKeyRows } from '../secrets/key-rows.ts';
import { sealBackup } from './backup-file.ts';
import { publicKeyFiles, type PublicKeySource } from './backup-public-keys.ts';
import { rowLine, tableFile, type Counts, type Manifest } from './backup-content.ts';
import { tarEnd, tarFile, tarHeader, tarPadding } from './tar.ts';

const tableFileBytes = 1024 * 1024;

export type BackupOptions = {
  store: Store;
  principal: Principal;
  /** 12 characters or more. */
  passphrase: string;
  /** Text of the key file, to go into it. Whoever has file and passphrase then has every secret of the store. */
  withKey?: string;
  /** Recordings of this replica go into it; those of others are counted as missing. */
  recordings?: RecordingFolder;
  /** Public keys of the tunnel's peers go into it. */
  publicKeys?: PublicKeySource;
  /** labd's version. */
  release: string;
};

/** Answers whether an iteration came to its end. */
export type BackupSummary = Counts & { createdAt: number; keyIds: string[] };

/** The keys first, then parents before children. */
const tableOrder: readonly DataTable[] = [
  'secret_keys',
  ...dataTables.filter((table) => table !== 'secret_keys' && !volatileTables.includes(table)),
];

async function keyIdsOf(store: Store, principal: Principal): Promise<string[]> {
  const rows = await store.read(principal, readKeyRows);
  const used = rows.filter(({ state }) => state === 'active' || state === 'retiring');
  return used.toSorted((a, b) => Number(b.state === 'active') - Number(a.state === 'active')).map(({ id }) => id);
}

/** What rows name that lies outside of the store: urls of recordings, fingerprints of public keys. */
type Named = { urls: string[]; fingerprints: Set<string> };

/** Files of the tables. Counts rows, and notes what they name. */
async function* tableFiles(options: BackupOptions, at: number, counts: Counts, named: Named) {
  let table: DataTable | undefined;
  let number = 0;
  let lines: string[] = [];
  let length = 0;
  const file = function* file(): Generator<Uint8Array> {
    if (table !== undefined && length > 0) yield tarFile(tableFile(table, ++number), Buffer.from(lines.join('')), at);
    lines = [];
    length = 0;
  };
  for await (const one of dumpTables(options.store, options.principal, tableOrder)) {
    if (one.table !== table || length >= tableFileBytes) yield* file();
    if (one.table !== table) number = 0;
    ({ table } = one);
    const line = rowLine(one.row);
    lines.push(line);
    length += line.length;
    counts.tables[table] = (counts.tables[table] ?? 0) + 1;
    if (table === 'recordings' && one.row['ended_at'] !== null && isInFolder(one.row['url']))
      named.urls.push(String(one.row['url']));
    if (table === 'tunnel_peers' && one.row['rosenpass_sha256'] !== null)
      named.fingerprints.add(String(one.row['rosenpass_sha256']));
  }
  yield* file();
}

/** Those in a bucket stay there: their rows find them after a restore, too. */
const isInFolder = (url: unknown) => String(url).startsWith('file:');

/** Sealed recordings, as they are. One that retention takes away meanwhile is counted as missing. */
async function* recordingFiles(folder: RecordingFolder, urls: readonly string[], at: number, counts: Counts) {
  for (const url of urls) {
    const path = folder.find(url);
    const size = path === undefined ? undefined : await folder.size(path);
    if (path === undefined || size === undefined) {
      counts.recordingsMissing++;
      continue;
    }
    yield tarHeader(`recordings/${url.slice('file:'.length)}`, size, at);
    let left = size;
    for await (const piece of folder.read(path)) {
      yield piece.subarray(0, left);
      left -= Math.min(left, piece.length);
    }
    // Ended recordings do not change; one that shrank under our hands would shift all that follows.
    if (left > 0) throw new FleetError('INTERNAL', { log: `${url} was cut while it was read` });
    yield tarPadding(size);
    counts.recordings++;
  }
}

async function* content(options: BackupOptions, summary: BackupSummary): AsyncGenerator<Uint8Array> {
  const { store, withKey, recordings, publicKeys, release } = options;
  const { createdAt: at, keyIds } = summary;
  const manifest: Manifest = {
    version: 1,
    createdAt: at,
    engine: store.engine,
    release,
    keyIds,
    withKey: withKey !== undefined,
    recordings: recordings !== undefined,
  };
  const json = (name: string, value: unknown) => tarFile(name, Buffer.from(`${JSON.stringify(value)}\n`), at);
  yield json('manifest.json', manifest);
  if (withKey !== undefined) yield tarFile('kek.key', Buffer.from(withKey), at);
  const named: Named = { urls: [], fingerprints: new Set() };
  yield* tableFiles(options, at, summary, named);
  if (publicKeys !== undefined) yield* publicKeyFiles(publicKeys, named.fingerprints, at);
  if (recordings !== undefined) yield* recordingFiles(recordings, named.urls, at, summary);
  const { tables, recordings: kept, recordingsMissing } = summary;
  yield json('counts.json', { tables, recordings: kept, recordingsMissing } satisfies Counts);
  yield tarEnd;
}

export type BackupStream = {
  /** The file's bytes, once; leaving it early ends the snapshot. */
  bytes: AsyncGenerator<Uint8Array>;
  /** True once `bytes` came to its end. */
  summary: BackupSummary;
};

/** @throws FleetError STORE_UNAVAILABLE, also while it is read. */
export async function backupStream(options: BackupOptions): Promise<BackupStream> {
  const { store, principal, passphrase } = options;
  const createdAt = store.clock.wall();
  const keyIds = await keyIdsOf(store, principal);
  const summary: BackupSummary = { createdAt, keyIds, tables: {}, recordings: 0, recordingsMissing: 0 };
  return { bytes: sealBackup(content(options, summary), passphrase, createdAt), summary };
}

async function writeWhole(path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  let written = 0;
  try {
    for await (const piece of pieces) {
      await file.writeFile(piece);
      written += piece.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return written;
}

/**
 * Writes a backup to `out` (0600): whole and synced, or not at all.
 * @throws FleetError CONFLICT when that file is there already; STORE_UNAVAILABLE; what the file system says.
 */
export async function createBackup(
  options: BackupOptions & { out: string },
): Promise<BackupSummary & { bytes: number }> {
  const { out } = options;
  const stream = await backupStream(options);
  const draft = `${out}.${crypto.randomUUID()}.tmp`;
  // An empty file holds the name from the start: a backup never takes the place of another.
  const place = await open(out, 'wx', 0o600).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
    throw new FleetError('CONFLICT', { message: 'the file for the backup is there already', field: 'out' });
  });
  await place.close();
  try {
    const bytes = await writeWhole(draft, stream.bytes);
    await rename(draft, out);
    return { ...stream.summary, bytes };
  } catch (error) {
    await rm(draft, { force: true });
    await rm(out, { force: true });
    throw error;
  }
}
