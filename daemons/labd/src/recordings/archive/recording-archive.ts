/**
 * Recordings in a bucket. Parts are written to the local folder like always, so that a bucket that is away fails no
 * session (EX-10 judges the local disk alone); `move` brings those that have ended there, at least once:
 *
 *     local file ─► PUT ─► GET, SHA-256 compared ─► row: url = s3:… ─► local file removed
 *
 * Whatever breaks in between is done again from its start by the next run. Reading looks here first, then there.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Counter, Metrics } from '@labmesh/kit/metrics';
import type { Store } from '@labmesh/store/store';
import type { RecordingsTable } from '@labmesh/store/tables';
import { system } from '@labmesh/wire/fleet/principal';
import { fileUrlOf, type RecordingFolder } from '../recording-folder.ts';
import { BucketError, type S3Bucket } from './s3-bucket.ts';

export type ArchiveOptions = {
  bucket: S3Bucket;
  folder: RecordingFolder;
  store: Store;
  clock: Clock;
  log: Logger;
  metrics?: Metrics;
  /** Told once when the bucket goes away, and once when it is back. */
  onChange?: (change: { state: 'away' | 'back'; why: string }) => void;
};

/** What health tells: parts that wait here, and why when they cannot go. */
export type ArchiveState = { state: 'ok' | 'away'; why: string | null; waiting: number };

type Waiting = { id: string; key: string };

const principal = system('recording-archive');
const dayPattern = /^\d{4}-\d{2}-\d{2}$/;
const filePattern = /^([0-9a-f-]{36})\.labrec$/;
const removalsAtOnce = 8;

async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** `file:2025-11-21/<id>.labrec`, `s3:…` → the key below the prefix. */
const keyOf = (url: string): string => url.slice(url.indexOf(':') + 1);
export const isInBucket = ({ url }: Pick<RecordingsTable, 'url'>): boolean => url.startsWith('s3:');

export class RecordingArchive {
  readonly #options: ArchiveOptions;
  readonly #moved: Counter | undefined;
  readonly #failures: Counter | undefined;
  #away: string | undefined;
  #waiting = 0;

  constructor(options: ArchiveOptions) {
    this.#options = options;
    const { metrics } = options;
    if (metrics === undefined) return;
    metrics.gauge('recording_archive_away', '1 while the bucket of recordings is away.', {
      read: () => (this.#away === undefined ? 0 : 1),
    });
    metrics.gauge('recording_archive_waiting', 'Parts of recordings that wait here for the bucket.', {
      read: () => this.#waiting,
    });
    this.#moved = metrics.counter('recording_archive_moved_total', 'Parts moved to the bucket.').labels();
    this.#failures = metrics.counter('recording_archive_failures_total', 'Requests the bucket failed.').labels();
  }

  get state(): ArchiveState {
    return { state: this.#away === undefined ? 'ok' : 'away', why: this.#away ?? null, waiting: this.#waiting };
  }

  /** One run over what lies here, oldest first; ends at the first failure of the bucket. @throws what the store says */
  async move(signal: AbortSignal): Promise<void> {
    const files = await this.#files();
    this.#waiting = files.length;
    for (const file of files) {
      if (signal.aborted) return;
      try {
        if (await this.#moveOne(file, signal)) this.#worked();
      } catch (error) {
        if (!(error instanceof BucketError)) throw error;
        if (!signal.aborted) this.#failed(error);
        return;
      }
    }
  }

  async #files(): Promise<Waiting[]> {
    const { path } = this.#options.folder;
    // A listing has no order of its own; in that of text the oldest day and id come first.
    const inOrder = (a: string, b: string) => (a < b ? -1 : 1);
    const names = async (below: string) => (await readdir(join(path, below)).catch(() => [])).toSorted(inOrder);
    const files: Waiting[] = [];
    for (const day of (await names('.')).filter((name) => dayPattern.test(name))) {
      for (const name of await names(day)) {
        const id = filePattern.exec(name)?.[1];
        if (id !== undefined) files.push({ id, key: `${day}/${name}` });
      }
    }
    return files;
  }

  /** False: it is not to be moved now. */
  async #moveOne({ id, key }: Waiting, signal: AbortSignal): Promise<boolean> {
    const { store, folder } = this.#options;
    const find = () =>
      store.read(principal, (db) => db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirst());
    const row = await find();
    // It runs still, or has no row yet or any more: retention takes such a file.
    if (row === undefined || row.ended_at === null || keyOf(row.url) !== key) return false;
    if (!isInBucket(row)) {
      if (!(await this.#send(key, signal))) return false;
      const url = `s3:${key}`;
      await store.write(principal, (tx) => tx.updateTable('recordings').set({ url }).where('id', '=', id).execute());
      // Retention may have taken the row while its file went up.
      if ((await find()) === undefined) await this.#options.bucket.remove(key);
    }
    await folder.remove(`file:${key}`);
    this.#waiting--;
    return true;
  }

  /** True once the bucket has the very bytes. False: they cannot be read here. @throws BucketError */
  async #send(key: string, signal: AbortSignal): Promise<boolean> {
    const { bucket, folder, log } = this.#options;
    const path = folder.find(`file:${key}`);
    if (path === undefined) return false;
    const here = await digestOf(folder.read(path)).catch(() => undefined);
    if (here === undefined) {
      log.warn('a recording cannot be read, and stays where it is', { key });
      return false;
    }
    await bucket.put(key, path, signal);
    const back = await bucket.get(key, signal);
    if (back === undefined || (await digestOf(back)) !== here) throw new BucketError('CHECKSUM');
    this.#moved?.inc();
    return true;
  }

  #worked(): void {
    if (this.#away === undefined) return;
    this.#away = undefined;
    this.#options.log.info('the bucket of recordings is back');
    this.#options.onChange?.({ state: 'back', why: '' });
  }

  #failed({ code: why }: BucketError): void {
    this.#failures?.inc();
    const isNews = this.#away === undefined;
    this.#away = why;
    if (!isNews) return;
    this.#options.log.error('the bucket of recordings is away: they wait here', { why });
    this.#options.onChange?.({ state: 'away', why });
  }

  /** The sealed bytes of a part; undefined when the bucket has none. @throws BucketError, also while they are read */
  read(row: Pick<RecordingsTable, 'url'>): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#options.bucket.get(keyOf(row.url));
  }

  /** Removes parts, whether they are there or not. @throws BucketError; some may be gone then */
  async remove(urls: readonly string[]): Promise<void> {
    const keys = urls.filter((url) => fileUrlOf(url) !== undefined).map(keyOf);
    for (let at = 0; at < keys.length; at += removalsAtOnce)
      await Promise.all(keys.slice(at, at + removalsAtOnce).map((key) => this.#options.bucket.remove(key)));
  }
}
