/**
 * Records sessions (EX-9, EX-10): asciicast v3, zstd, sealed under a key of each part's own, which is sealed in the row
 * `recordings`. `start` has written before it resolves: what cannot be recorded does not begin.
 *
 *     const recording = await recorder.start({ session, term, command, replicaId, part: 0 });
 *     recording.write(1, bytes);  give credit by recording.consumed(1), again on recording.onConsumed
 *     void recording.failed.then((why) => channel.close(why));
 *     const end = await recording.end({ code: 0, signal: null });
 */
import type { Counter, Metrics } from '@labmesh/kit/metrics';
import { prepared, preparedInsert } from '@labmesh/store/prepared';
import type { Store, Writer } from '@labmesh/store/store';
import type { RecordingsTable } from '@labmesh/store/tables';
import { system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import { createPart, type NewPart, type PartRequest, type PlannedPart, planPart } from './new-part.ts';
import { RecorderHealth, type RecorderAlarm } from './recorder-health.ts';
import { RecordingFolder, folderOfUrl } from './recording-folder.ts';
import { SessionRecording, type RecordingEnd, type SessionRecordingOptions } from './session-recording.ts';
import { SpareFiles } from './spare-files.ts';
import type { World } from '../settings/world.ts';

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
  clock: World['clock'];
  log: World['log'];
  options?: Partial<RecorderSettings>;
  metrics?: Metrics;
  /** Told once when writes begin to fail, and once when they work again. */
  onAlarm?: (alarm: RecorderAlarm) => void;
};

export type StartRecording = PartRequest & {
  /** Window of the channel: batches are no larger than half of it. */
  windowBytes?: number;
};

/** A recording whose row goes into the caller's own transaction, and its end by `endRecordingRow`. */
export type BegunRecording = {
  row: RecordingsTable;
  /** Resolves when the file is there. @throws FleetError RECORDING_UNAVAILABLE. */
  started: Promise<SessionRecording>;
};

const batchMs = 50;
const batchBytesMax = 64 * 1024;
const principal = system('recorder');

const insertRow = preparedInsert('recordings', [
  'id',
  'created_at',
  'session_id',
  'replica_id',
  'part',
  'url',
  'bytes',
  'sha256',
  'sealed_key',
  'ended_at',
]);

/** Puts the row of a begun recording into the caller's transaction. */
export const insertRecordingRow = (tx: Writer, row: RecordingsTable): Promise<void> => insertRow(tx, [row]);

type PartEnd = Pick<RecordingEnd, 'bytes' | 'sha256'> & { id: string; at: number };

const endRow = prepared<PartEnd>((db, slot) =>
  db
    .updateTable('recordings')
    .set({ bytes: slot.bytes, sha256: slot.sha256, ended_at: slot.at })
    .where('id', '=', slot.id),
);

/** Writes how a part ended, for callers that keep the row in their own transactions. */
export async function endRecordingRow(tx: Writer, id: string, end: RecordingEnd, endedAt: number): Promise<void> {
  await endRow(tx, { id, at: endedAt, bytes: end.bytes, sha256: end.sha256 });
}

export class Recorder implements AsyncDisposable {
  readonly folder: RecordingFolder;
  readonly health: RecorderHealth;
  readonly #options: RecorderOptions;
  readonly #settings: RecorderSettings;
  readonly #spares: SpareFiles;
  /** Undefined while the file is being made. */
  readonly #active = new Map<string, SessionRecording | undefined>();
  #isClosing = false;
  #bytes: Counter | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#settings = { ...recorderDefaults, ...options.options };
    this.folder = new RecordingFolder(folderOfUrl(options.url));
    this.#spares = new SpareFiles(this.folder.path);
    const { clock, log, metrics, onAlarm } = options;
    const failures = metrics?.counter('recording_failures_total', 'Writes of recordings that failed.').labels();
    const onFailure = () => failures?.inc();
    const { stallMs } = this.#settings;
    this.health = new RecorderHealth({ folder: this.folder, clock, log, onAlarm, onFailure, stallMs });
    if (metrics !== undefined) this.#declare(metrics);
  }

  /** Whether that recording runs here: nobody else may end its row. */
  isActive(id: string): boolean {
    return this.#active.has(id);
  }

  #declare(metrics: Metrics): void {
    const failing = () => (this.health.failing ? 1 : 0);
    metrics.gauge('recordings', 'Recordings that run.', { read: () => this.#active.size });
    metrics.gauge('recording_failing', '1 while recordings cannot be written.', { read: failing });
    this.#bytes = metrics.counter('recording_bytes_total', 'Bytes of recordings that ended, sealed.').labels();
  }

  /**
   * Makes the file and its row; both are there when it resolves.
   * @throws FleetError RECORDING_UNAVAILABLE, STORE_UNAVAILABLE.
   */
  async start(request: StartRecording): Promise<SessionRecording> {
    const part = planPart({ sealer: this.#options.secrets, clock: this.#options.clock }, request);
    const { recording, file } = await this.#create(part, request, true);
    try {
      await this.#options.store.write(principal, (tx) => insertRecordingRow(tx, part.row));
      return recording;
    } catch (error) {
      this.#active.delete(part.row.id);
      file.close();
      await this.folder.remove(part.row.url);
      throw error;
    }
  }

  /** Begins to make the file, and gives the row at once. The caller's to end by `endRecordingRow`, whatever `started` says. */
  begin(request: StartRecording): BegunRecording {
    const part = planPart({ sealer: this.#options.secrets, clock: this.#options.clock }, request);
    const started = this.#create(part, request, false).then(({ recording }) => recording);
    // It may fail before the caller looks.
    started.catch(() => {});
    return { row: part.row, started };
  }

  async #create(part: PlannedPart, request: StartRecording, keepsRow: boolean) {
    const { id } = part.row;
    this.#active.set(id, undefined);
    try {
      await this.health.check();
      const { clock, secrets } = this.#options;
      const { folder, health } = this;
      const spares = this.#spares;
      const { graceMs, stallMs } = this.#settings;
      const made = await createPart({ folder, health, spares, sealer: secrets, clock, graceMs, stallMs }, part);
      const recording = new SessionRecording(this.#sessionOptions(request, made, keepsRow));
      this.#active.set(id, recording);
      return { recording, file: made.file };
    } catch (error) {
      this.#active.delete(id);
      throw error;
    }
  }

  #sessionOptions(request: StartRecording, { row, file, cast }: NewPart, keepsRow: boolean): SessionRecordingOptions {
    const { clock, log } = this.#options;
    const { input, ttyBytesMax, pipeBytesMax, graceBytes } = this.#settings;
    const batchBytes = Math.min(batchBytesMax, Math.max(512, Math.floor((request.windowBytes ?? Infinity) / 2)));
    const onEnd = (end: RecordingEnd) => this.#onEnd(row.id, end, keepsRow || this.#isClosing);
    const bounds = { ttyBytesMax, pipeBytesMax, batchBytes, batchMs, graceBytes };
    const tty = request.term !== null;
    return { row, tty, recordInput: input, ...bounds, file, cast, clock, log, onEnd };
  }

  async #onEnd(id: string, end: RecordingEnd, writeRow: boolean): Promise<void> {
    this.#active.delete(id);
    this.#bytes?.inc(end.bytes);
    if (!writeRow) return;
    const { clock, log, store } = this.#options;
    try {
      await store.write(principal, (tx) => endRecordingRow(tx, id, end, clock.wall()));
    } catch (error) {
      // The file is whole: settleParts writes the row when the store is back.
      log.warn('the end of a recording is not in the store yet', { recording: id, why: String(error) });
    }
  }

  /** Ends what runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await Promise.all(
      [...this.#active.values()].map(async (recording) => {
        recording?.mark('labmesh: labd stopped');
        await recording?.end();
      }),
    );
    await this.#spares[Symbol.asyncDispose]();
    await this.health[Symbol.asyncDispose]();
  }
}

/** @throws FleetError VALIDATION_FAILED for a url that is not `file:`. */
export function openRecorder(options: RecorderOptions): Recorder {
  return new Recorder(options);
}
