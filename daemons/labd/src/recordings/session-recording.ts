/**
 * One part of a session's recording: bytes of the streams in, asciicast lines in a sealed file out (EX-9).
 *
 *     write ──> text, lines ──> pending ──(64 KiB, or 50 ms)──> one write ──> consumed() rises, onConsumed
 *
 * The relay gives the sender credit by `consumed`, so what is pending never passes one window. A write is in the page
 * cache then, not on the platter: killing labd loses at most the pending 50 ms, a power cut some seconds.
 */
import { constants } from 'node:os';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { RecordingsTable } from '@labmesh/store/tables';
import { CastText, type CastCode, type CastHead, type CastWriter } from '@labmesh/wire/fleet/asciicast';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import { StreamDigests, type StreamSums } from './stream-digests.ts';

export type RecordingFailure = 'recording-limit' | 'recording-unavailable';
export type RecordingEnd = {
  /** Bytes of the sealed file. */
  bytes: number;
  /** Of the sealed file, hex; null when its end could not be written. */
  sha256: string | null;
  /** Of this part's streams, recorded or not. */
  streams: StreamSums;
};
/** Where text goes; `PartFile` says what each of these does. */
export interface PartSink {
  readonly failing: boolean;
  readonly bytes: number;
  onFailing: (() => void) | undefined;
  append(text: string, last: boolean): Promise<boolean>;
  sha256(): string;
  giveUp(): void;
  close(): void;
}

type Exit = { code: number | null; signal: string | null };

export type SessionRecordingOptions = {
  /** As it begins. */
  row: RecordingsTable;
  tty: boolean;
  recordInput: boolean;
  ttyBytesMax: number;
  pipeBytesMax: number;
  /** Pending bytes that are written without waiting. */
  batchBytes: number;
  batchMs: number;
  /** Bytes that may wait in memory while writes fail; then the session ends. */
  graceBytes: number;
  file: PartSink;
  cast: CastWriter;
  clock: Clock;
  log: Logger;
  /** Writes the row; never rejects. */
  onEnd: (end: RecordingEnd) => Promise<void>;
};

/** Bytes that may wait while writes work: the largest window of each stream, and some. */
const pendingBytesMax = 16 * 1024 * 1024;
/** Bytes around the text of a line. */
const lineCost = 16;
type Counts = [number, number, number];
type Line = [code: CastCode, text: string];
/** What an `m` event says before the text of an output. */
const markOf = (stream: StreamId) => (stream === 2 ? 'stderr' : 'stdout');
const zeros = (): Counts => [0, 0, 0];

export class SessionRecording {
  /** As it began: for callers that insert it themselves. */
  readonly row: RecordingsTable;
  /** Resolves once when the session has to end; stays open otherwise. */
  readonly failed: Promise<RecordingFailure>;
  readonly #options: SessionRecordingOptions;
  readonly #digests = new StreamDigests();
  readonly #texts = [new CastText(), new CastText(), new CastText()] as const;
  #fail: (why: RecordingFailure) => void = () => {};
  #failure: RecordingFailure | undefined;
  #pending: string[] = [];
  /** Bytes of streams behind #pending and behind the write under way. */
  #pendingBytes = 0;
  #inFlightBytes = 0;
  #accepted = zeros();
  #written = zeros();
  #kept = 0;
  #marked: StreamId = 1;
  #isFull = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushing: Promise<void> | undefined;
  #ended: Promise<RecordingEnd> | undefined;
  #onConsumed: ((stream: StreamId) => void) | undefined;

  constructor(options: SessionRecordingOptions) {
    this.#options = options;
    this.row = options.row;
    this.failed = new Promise((resolve) => (this.#fail = resolve));
    // From here all that was taken counts as consumed: the grace is worth nothing to a sender that still waits.
    options.file.onFailing = () => this.#tellConsumed();
  }

  get id(): string {
    return this.row.id;
  }
  get session(): string {
    return this.row.session_id;
  }

  /**
   * Bytes of `stream` that need no more memory: written, or not to be kept. While writes fail, all that were taken
   * count, so that the session lives on for its grace of bytes and seconds.
   */
  consumed(stream: StreamId): number {
    const settled = this.#options.file.failing || this.#idle;
    return settled ? this.#accepted[stream] : this.#written[stream];
  }
  /** Called for each stream whose `consumed` rose outside of `write`. One listener. */
  onConsumed(listener: (stream: StreamId) => void): void {
    this.#onConsumed = listener;
  }
  /** Lengths and hashes so far. */
  sums(): StreamSums {
    return this.#digests.sums();
  }

  /** Takes bytes once, in order; read `consumed` after it. Never throws; after `failed` or `end` it only hashes. */
  write(stream: StreamId, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#digests.update(stream, bytes);
    this.#accepted[stream] += bytes.length;
    const isKept = stream !== 0 || this.#options.recordInput;
    if (!isKept) this.#written[stream] = this.#accepted[stream];
    if (!isKept || this.#isFull || this.#closed) return;
    const left = this.#bound - this.#kept;
    const text = this.#texts[stream].push(bytes.subarray(0, left));
    if (text !== '') {
      this.#markStream(stream);
      this.#add(stream === 0 ? 'i' : 'o', text, Math.min(left, bytes.length));
    }
    if (bytes.length > left) this.#passBound();
  }

  resize(cols: number, rows: number): void {
    this.#addLine('r', `${cols}x${rows}`);
  }

  mark(text: string): void {
    this.#addLine('m', text);
  }

  /** Writes the rest and closes; the second call gives what the first one did. Never rejects. */
  end(exit?: Exit): Promise<RecordingEnd> {
    this.#ended ??= this.#end(exit);
    return this.#ended;
  }

  get #idle(): boolean {
    return this.#pending.length === 0 && this.#flushing === undefined;
  }
  get #closed(): boolean {
    return this.#failure !== undefined || this.#ended !== undefined;
  }

  get #bound(): number {
    const { pipeBytesMax, tty, ttyBytesMax } = this.#options;
    return tty ? ttyBytesMax : pipeBytesMax;
  }

  /** Passing the bound ends a terminal, and stops the keeping of a pipe (EX-9). */
  #passBound(): void {
    const { tty } = this.#options;
    this.#add('m', `labmesh: ${tty ? 'the recording is full' : 'from here only length and SHA-256 are kept'}`, 0);
    this.#isFull = true;
    if (tty) this.#giveUp('recording-limit');
  }

  /** The text of a session without terminal says where stderr begins and ends. */
  #markStream(stream: StreamId): void {
    if (stream === 0 || stream === this.#marked) return;
    this.#marked = stream;
    this.#addLine('m', markOf(stream));
  }

  /** Lines that no stream pays for with credit count towards the bound, or resizing without end would fill the disk. */
  #addLine(code: 'r' | 'm', text: string): void {
    const cost = text.length + lineCost;
    if (this.#isFull) return;
    if (this.#kept + cost > this.#bound) this.#passBound();
    else this.#add(code, text, cost);
  }

  #add(code: CastCode, text: string, cost: number): void {
    if (this.#closed) return;
    this.#kept += cost;
    this.#pendingBytes += cost;
    this.#pending.push(this.#options.cast.event(code, text, this.#options.clock.now()));
    const { batchBytes, batchMs, file, graceBytes } = this.#options;
    const waiting = this.#pendingBytes + this.#inFlightBytes;
    if (waiting > (file.failing ? graceBytes : pendingBytesMax)) this.#giveUp('recording-unavailable');
    else if (this.#pendingBytes >= batchBytes) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), batchMs);
  }

  #giveUp(why: RecordingFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    this.#options.log.warn('a recording ends its session', { session: this.session, why });
    if (why === 'recording-unavailable') {
      this.#options.file.giveUp();
      this.#pending = [];
      this.#pendingBytes = 0;
    }
    this.#fail(why);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flushing !== undefined || this.#pending.length === 0) return;
    this.#flushing = this.#writeOut().finally(() => {
      this.#flushing = undefined;
      this.#tellConsumed();
      if (this.#pendingBytes >= this.#options.batchBytes) this.#flush();
      else if (this.#pending.length > 0) this.#timer ??= setTimeout(() => this.#flush(), this.#options.batchMs);
    });
  }

  #take(): string {
    const text = this.#pending.join('');
    this.#pending = [];
    this.#inFlightBytes = this.#pendingBytes;
    this.#pendingBytes = 0;
    return text;
  }

  async #writeOut(): Promise<void> {
    const upTo: Counts = [...this.#accepted];
    const written = await this.#options.file.append(this.#take(), false);
    this.#inFlightBytes = 0;
    if (written) this.#written = upTo.map((bytes, i) => Math.max(bytes, this.#written[i] ?? 0)) as Counts;
    else this.#giveUp('recording-unavailable');
  }

  #tellConsumed(): void {
    for (const stream of [0, 1, 2] as const) if (this.#accepted[stream] > 0) this.#onConsumed?.(stream);
  }

  /** Characters that never got their rest, under the name of their stream. */
  #rests(): Line[] {
    if (this.#isFull) return [];
    return ([0, 1, 2] as const).flatMap<Line>((stream) => {
      const text = this.#texts[stream].end();
      if (text === '') return [];
      if (stream === 0) return [['i', text]];
      const isMarked = stream === this.#marked;
      this.#marked = stream;
      return isMarked
        ? [['o', text]]
        : [
            ['m', markOf(stream)],
            ['o', text],
          ];
    });
  }

  #lastLines(exit: Exit | undefined): string {
    const { cast, clock } = this.#options;
    const sums = Object.entries(this.#isFull ? this.#digests.sums() : {});
    const number = exit === undefined ? undefined : exitNumber(exit);
    const lines: Line[] = [
      ...this.#rests(),
      ...sums.map(([name, { bytes, sha256 }]) => ['m', `labmesh: ${name} ${bytes} bytes sha256 ${sha256}`] as Line),
      ...(number === undefined ? [] : [['x', String(number)] as Line]),
    ];
    return lines.map(([code, text]) => cast.event(code, text, clock.now())).join('');
  }

  async #end(exit: Exit | undefined): Promise<RecordingEnd> {
    const { file, onEnd } = this.#options;
    clearTimeout(this.#timer);
    await this.#flushing;
    clearTimeout(this.#timer);
    const whole =
      this.#failure === 'recording-unavailable' ? false : await file.append(this.#take() + this.#lastLines(exit), true);
    if (!whole) this.#giveUp('recording-unavailable');
    const end = { bytes: file.bytes, sha256: whole ? file.sha256() : null, streams: this.#digests.sums() };
    file.close();
    this.#tellConsumed();
    await onEnd(end);
    return end;
  }
}

/** What a shell would show: the code, or 128 + the signal. */
function exitNumber({ code, signal }: Exit): number | undefined {
  if (code !== null) return code;
  const number = (constants.signals as Record<string, number | undefined>)[`SIG${signal ?? ''}`];
  return number === undefined ? undefined : 128 + number;
}

/** The head of a part (asciicast v3). `term` null: a session without terminal, shown as 80 by 24. */
export function partHead(
  term: { cols: number; rows: number; term: string } | null,
  command: string | null,
  wallMs: number,
): CastHead {
  return {
    version: 3,
    term: term === null ? { cols: 80, rows: 24 } : { cols: term.cols, rows: term.rows, type: term.term },
    timestamp: Math.floor(wallMs / 1000),
    ...(command !== null && { command }),
  };
}
