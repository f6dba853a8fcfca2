/**
 * Records sessions (EX-9, EX-10): asciicast v3, zstd, sealed under a key of each part's own, which is sealed in the row
 * `recordings`. `start` has written before it resolves: what cannot be recorded does not begin.
 *
 *     const recording = await recorder.start({ session, term, command, replicaId, part: 0 });
 *     recording.write(1, bytes);  give credit by recording.consumed(1), again on recording.onConsumed
 *     void recording.failed.then((why) => channel.close(why));
 *     const end = await recording.end({ code: 0, signal: null });
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Metrics } from '@labmesh/kit/metrics';
import type { Store, Writer } from '@labmesh/store/store';
import type { RecordingsTable } from '@labmesh/store/tables';
import { CastWriter } from '@labmesh/wire/fleet/asciicast';
import { system } from '@labmesh/wire/fleet/principal';
import type { Tty } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Sealer } from '../secrets/sealer.ts';
import { PartFile, partContext } from './part-file.ts';
import { RecorderHealth, type RecorderAlarm } from './recorder-health.ts';
import { RecordingFolder, folderOfUrl } from './recording-folder.ts';
import { SessionRecording, partHead, type RecordingEnd } from './session-recording.ts';

export type RecorderSettings = {
  input: boolean;
  ttyBytesMax: number;
  pipeBytesMax: number;
  /** Bytes and time that a running session gets while writes fail. */
  graceBytes: number;
  graceMs: number;
  /** A write that takes longer counts as failed. */
  stallMs: number;
};
export const recorderDefaults: RecorderSettings = {
  input: false,
  ttyBytesMax: 256 * 1024 * 1024,
  pipeBytesMax: 8 * 1024 * 1024,
  graceBytes: 4 * 1024 * 1024,
  graceMs: 10_000,
  stallMs: 10_000,
};

export type RecorderOptions = {
  store: Store;
  secrets: Sealer;
  /** `recordings.url`. */
  url: string;
  clock: Clock;
  log: Logger;
  options?: Partial<RecorderSettings>;
  metrics?: Metrics;
  /** Told once when writes begin to fail, and once when they work again. */
  onAlarm?: (alarm: RecorderAlarm) => void;
};

export type StartRecording = {
  session: string;
  term: Tty | null;
  command: string | null;
  replicaId: string;
  /** 0 for the first part of a session, one more on each replica that takes it over. */
  part: number;
  /** Window of the channel: batches are no larger than half of it. */
  windowBytes?: number;
  /** `caller`: the row `recording.row` goes into the caller's own transaction, its end by `endRecordingRow`. */
  row?: 'recorder' | 'caller';
};

const batchMs = 50;
const batchBytesMax = 64 * 1024;
const principal = system('recorder');

/** Writes how a part ended, for callers that keep the row in their own transactions. */
export async function endRecordingRow(tx: Writer, id: string, end: RecordingEnd, endedAt: number): Promise<void> {
  const { bytes, sha256 } = end;
  await tx.updateTable('recordings').set({ bytes, sha256, ended_at: endedAt }).where('id', '=', id).execute();
}

export class Recorder implements AsyncDisposable {
  readonly folder: RecordingFolder;
  readonly health: RecorderHealth;
  readonly #options: RecorderOptions;
  readonly #settings: RecorderSettings;
  readonly #active = new Map<string, SessionRecording>();
  #bytes = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#settings = { ...recorderDefaults, ...options.options };
    this.folder = new RecordingFolder(folderOfUrl(options.url));
    const { clock, log, metrics, onAlarm } = options;
    this.health = new RecorderHealth({ folder: this.folder, clock, log, onAlarm, stallMs: this.#settings.stallMs });
    if (metrics !== undefined) this.#declare(metrics);
  }

  /** Whether that recording runs here: nobody else may end its row. */
  isActive(id: string): boolean {
    return this.#active.has(id);
  }

  #declare(metrics: Metrics): void {
    metrics.gauge('recordings', 'Recordings that run.', { read: () => this.#active.size });
    metrics.gauge('recording_failing', '1 while recordings cannot be written.', {
      read: () => (this.health.failing ? 1 : 0),
    });
    const gauges = { recording_bytes: () => this.#bytes, recording_failures: () => this.health.failures };
    for (const [name, read] of Object.entries(gauges)) metrics.gauge(name, 'Since the start.', { read });
  }

  /**
   * Makes the file and its row; both are there when it resolves.
   * @throws FleetError RECORDING_UNAVAILABLE, STORE_UNAVAILABLE.
   */
  async start(request: StartRecording): Promise<SessionRecording> {
    await this.health.check();
    const { row, file, cast } = await this.#openPart(request);
    const recording = new SessionRecording(this.#sessionOptions(request, row, file, cast));
    this.#active.set(row.id, recording);
    try {
      if (request.row !== 'caller') await this.#insert(row);
    } catch (error) {
      this.#active.delete(row.id);
      file.close();
      await this.#remove(row.url);
      throw error;
    }
    return recording;
  }

  async #openPart(request: StartRecording): Promise<{ row: RecordingsTable; file: PartFile; cast: CastWriter }> {
    const { clock, secrets } = this.#options;
    const { session, replicaId, part, term, command } = request;
    const id = uuidv7();
    const wall = clock.wall();
    const key = randomBytes(32);
    const place = await this.folder.place(id, wall).catch((error: unknown) => {
      this.health.failed(error);
      throw this.health.refusal(error);
    });
    const cast = new CastWriter(clock.now());
    const row: RecordingsTable = {
      id,
      created_at: wall,
      session_id: session,
      replica_id: replicaId,
      part,
      url: place.url,
      bytes: 0,
      sha256: null,
      sealed_key: secrets.seal('recordings', id, 'sealed_key', key),
      ended_at: null,
    };
    const { graceMs, stallMs } = this.#settings;
    const context = partContext(id, session, replicaId, part);
    const options = { path: place.path, key, context, health: this.health, clock, graceMs, stallMs };
    try {
      return { row, cast, file: await PartFile.create(options, cast.head(partHead(term, command, wall))) };
    } catch (error) {
      this.folder.forget();
      await this.#remove(row.url);
      throw this.health.refusal(error);
    }
  }

  #sessionOptions(request: StartRecording, row: RecordingsTable, file: PartFile, cast: CastWriter) {
    const { clock, log } = this.#options;
    const { input, ttyBytesMax, pipeBytesMax, graceBytes } = this.#settings;
    const batchBytes = Math.min(batchBytesMax, Math.max(512, Math.floor((request.windowBytes ?? Infinity) / 2)));
    const onEnd = (end: RecordingEnd) => this.#onEnd(row.id, end, request.row !== 'caller');
    const bounds = { ttyBytesMax, pipeBytesMax, batchBytes, batchMs, graceBytes };
    const tty = request.term !== null;
    return { row, tty, recordInput: input, ...bounds, file, cast, clock, log, onEnd };
  }

  async #insert(row: RecordingsTable): Promise<void> {
    await this.#options.store.write(principal, async (tx) => {
      await tx.insertInto('recordings').values(row).execute();
    });
  }

  async #onEnd(id: string, end: RecordingEnd, writeRow: boolean): Promise<void> {
    this.#active.delete(id);
    this.#bytes += end.bytes;
    if (!writeRow) return;
    const { clock, log, store } = this.#options;
    try {
      await store.write(principal, (tx) => endRecordingRow(tx, id, end, clock.wall()));
    } catch (error) {
      // The file is whole: settleParts writes the row when the store is back.
      log.warn('the end of a recording is not in the store yet', { recording: id, why: String(error) });
    }
  }

  async #remove(url: string): Promise<void> {
    const path = this.folder.find(url);
    if (path !== undefined) await rm(path, { force: true }).catch(() => {});
  }

  /** Ends what runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#active.values()].map((recording) => {
        recording.mark('labmesh: labd stopped');
        return recording.end();
      }),
    );
    await this.health[Symbol.asyncDispose]();
  }
}

/** @throws FleetError VALIDATION_FAILED for a url that is not `file:`. */
export function openRecorder(options: RecorderOptions): Recorder {
  return new Recorder(options);
}
