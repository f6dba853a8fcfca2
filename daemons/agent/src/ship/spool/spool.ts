/**
 * Batches on their way (AG-5, AG-7). Each is on disk before it is sent, with the places of its sources in the same
 * write: a batch that anybody has seen comes back after a kill -9 under its own id, and a line is read again only when
 * it was in none.
 *
 *     append ─▶ memory ≤ 4 MiB ─▶ segments of ≤ 1 MiB, together ≤ spool_max ─▶ head ─▶ done
 *                    (stays there only while the disk takes nothing)
 *
 * Past a bound the oldest go, and are counted. Entries in memory are sent, too: with a full disk a restart may send their
 * lines again under other ids.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@labmesh/kit/log';
import { type Batch, type Entry, entryText } from './entry.ts';
import { Segment, segmentPattern } from './segment.ts';
import { readSpoolState, type SpoolState, writeSpoolState } from './spool-state.ts';

/** `agent.spool.memory_max`. */
export const memoryBytesMax = 4 * 1024 * 1024;
const segmentBytesMost = 1024 * 1024;
const segmentBytesLeast = 64 * 1024;
/** Files that make up the bound: the oldest is what goes at once. */
const segmentsLeast = 4;
/** What is through is written down at least so often. */
const saveEveryMs = 2_000;

type InMemory = { entry: Entry; text: Buffer };
type Head = { entry: Entry; end: number | undefined };

export type SpoolParts = { folder: string; bytesMax: number; log: Logger };

export class Spool {
  readonly #parts: SpoolParts;
  readonly #state: SpoolState;
  readonly #segmentBytes: number;
  #segments: Segment[] = [];
  /** The one that is written, the last of them. */
  #tail: Segment | undefined;
  /** Where the head begins in the first segment. */
  #offset = 0;
  #head: Head | undefined;
  #memory: InMemory[] = [];
  #memoryBytes = 0;
  #seq = 0;
  #savedAt = -Infinity;
  #isFailing = false;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(parts: SpoolParts) {
    this.#parts = parts;
    this.#state = readSpoolState(parts.folder);
    const share = Math.floor(parts.bytesMax / segmentsLeast);
    this.#segmentBytes = Math.min(segmentBytesMost, Math.max(segmentBytesLeast, share));
  }

  /** With what an earlier run left. @throws what the file system says. */
  static async open(parts: SpoolParts): Promise<Spool> {
    await mkdir(parts.folder, { recursive: true, mode: 0o700 });
    const spool = new Spool(parts);
    const names = (await readdir(parts.folder)).filter((name) => segmentPattern.test(name)).toSorted();
    for (const name of names) await spool.#load(join(parts.folder, name));
    spool.#seq = Math.max(spool.#state.doneSeq, spool.#state.placesSeq, ...spool.#segments.map((one) => one.lastSeq));
    return spool;
  }

  async #load(path: string): Promise<void> {
    const { doneSeq, placesSeq, places } = this.#state;
    let doneEnd = 0;
    let doneLines = 0;
    const segment = await Segment.load(path, (entry, end) => {
      if (entry.seq > placesSeq) Object.assign(places, entry.places);
      if (entry.seq > doneSeq) return;
      doneEnd = end;
      doneLines += entry.lines.length;
    });
    if (segment.cutBytes > 0) this.#parts.log.warn('the spool ends within a batch', { bytes: segment.cutBytes });
    if (segment.lastSeq <= doneSeq) return segment.remove();
    segment.linesLeft -= doneLines;
    if (this.#segments.length === 0) this.#offset = doneEnd;
    this.#segments.push(segment);
  }

  get #diskBytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  /** Of what waits. */
  get bytes(): number {
    return this.#diskBytes - this.#offset + this.#memoryBytes;
  }
  get shippedLines(): number {
    return this.#state.shippedLines;
  }
  get droppedLines(): number {
    return this.#state.droppedLines;
  }
  /** Where a source goes on after all that is kept here. */
  placeOf(source: string): string | undefined {
    return this.#state.places[source];
  }

  /** One after the other: `work` meets what the one before left. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Where sources begin, and which of those known there are. @throws what the file system says. */
  begin(places: Readonly<Record<string, string>>): Promise<void> {
    return this.#inTurn(async () => {
      this.#state.places = { ...places };
      this.#state.placesSeq = this.#seq;
      await this.#save();
    });
  }

  /** Never rejects: past the bounds, what is oldest goes. */
  append(batch: Batch): Promise<void> {
    return this.#inTurn(async () => {
      const entry = { seq: ++this.#seq, ...batch };
      const text = entryText(entry);
      this.#memory.push({ entry, text });
      this.#memoryBytes += text.length;
      await this.#toDisk();
      while (this.#memoryBytes > memoryBytesMax) this.#shiftMemory('dropped');
    });
  }

  async #toDisk(): Promise<void> {
    if (this.#parts.bytesMax === 0) return;
    try {
      for (let first = this.#memory[0]; first !== undefined; first = this.#memory[0]) {
        await this.#write(first);
        this.#memory.shift();
        this.#memoryBytes -= first.text.length;
        Object.assign(this.#state.places, first.entry.places);
        this.#state.placesSeq = first.entry.seq;
      }
      this.#isFailing = false;
    } catch (error) {
      const { code } = error as { code?: string };
      if (!this.#isFailing) this.#parts.log.warn('logs cannot be spooled; they wait in memory', { code });
      this.#isFailing = true;
    }
  }

  async #write({ entry, text }: InMemory): Promise<void> {
    while (this.#segments.length > 0 && this.#diskBytes + text.length > this.#parts.bytesMax) await this.#dropOldest();
    const isNew = this.#tail === undefined || this.#tail.bytes >= this.#segmentBytes;
    const segment = isNew ? Segment.create(this.#parts.folder, entry.seq) : this.#tail;
    try {
      await segment?.append(text, entry);
    } catch (error) {
      // What stands behind its last whole entry is nobody's: it is not written to again.
      this.#tail = undefined;
      if (isNew) await segment?.remove();
      throw error;
    }
    if (!isNew || segment === undefined) return;
    this.#segments.push(segment);
    this.#tail = segment;
  }

  /** The oldest file. */
  async #dropOldest(): Promise<void> {
    const [oldest] = this.#segments;
    if (oldest === undefined) return;
    this.#state.droppedLines += oldest.linesLeft;
    await this.#leave(oldest);
  }

  /** The first segment is through. Written down before it is gone, else its lines would be read again. */
  async #leave(segment: Segment): Promise<void> {
    this.#state.doneSeq = Math.max(this.#state.doneSeq, segment.lastSeq);
    // A full disk takes no state, but gets the room.
    await this.#save().catch(() => undefined);
    await segment.remove();
    this.#segments.shift();
    this.#offset = 0;
    this.#head = undefined;
    if (this.#tail === segment) this.#tail = undefined;
  }

  #shiftMemory(how: 'shipped' | 'dropped'): void {
    const first = this.#memory.shift();
    if (first === undefined) return;
    const { entry, text } = first;
    if (this.#head?.entry === entry) this.#head = undefined;
    this.#memoryBytes -= text.length;
    if (how === 'shipped') this.#state.shippedLines += entry.lines.length;
    else this.#state.droppedLines += entry.lines.length;
    Object.assign(this.#state.places, entry.places);
    this.#state.placesSeq = entry.seq;
    // One that is dropped here passes by those on disk, which are older and still to go.
    if (how === 'shipped' || this.#segments.length === 0) this.#state.doneSeq = entry.seq;
  }

  /** The oldest batch; the same one until it is done. */
  head(): Promise<Batch | undefined> {
    return this.#inTurn(async () => {
      this.#head ??= await this.#find();
      return this.#head?.entry;
    });
  }

  async #find(): Promise<Head | undefined> {
    for (let first = this.#segments[0]; first !== undefined; first = this.#segments[0]) {
      // All of the one that is written is through, for now.
      if (this.#offset >= first.bytes && first === this.#tail) break;
      const found = this.#offset < first.bytes ? await first.read(this.#offset).catch(() => undefined) : undefined;
      if (found !== undefined) return found;
      if (first.linesLeft > 0) this.#parts.log.warn('a part of the spool cannot be read', { lines: first.linesLeft });
      await this.#dropOldest();
    }
    const entry = this.#memory[0]?.entry;
    return entry && { entry, end: undefined };
  }

  /** The head need not be sent again: the collector has it, or never will. Another id changes nothing. */
  done(id: string, how: 'shipped' | 'dropped'): Promise<void> {
    return this.#inTurn(async () => {
      const head = this.#head;
      if (head?.entry.id !== id) return;
      this.#head = undefined;
      if (this.#memory[0]?.entry.id === id) this.#shiftMemory(how);
      else await this.#advance(head, how);
      if (performance.now() - this.#savedAt > saveEveryMs) await this.#save().catch(() => undefined);
    });
  }

  async #advance({ entry, end }: Head, how: 'shipped' | 'dropped'): Promise<void> {
    const [first] = this.#segments;
    if (first === undefined) return;
    const { length } = entry.lines;
    if (how === 'shipped') this.#state.shippedLines += length;
    else this.#state.droppedLines += length;
    this.#state.doneSeq = entry.seq;
    first.linesLeft -= length;
    // It came to the disk after it had been found in memory: then it is the first one there.
    this.#offset = end ?? (await first.read(this.#offset).catch(() => undefined))?.end ?? first.bytes;
    const isFull = first !== this.#tail || first.bytes >= this.#segmentBytes;
    if (isFull && this.#offset >= first.bytes) await this.#leave(first);
  }

  async #save(): Promise<void> {
    this.#savedAt = performance.now();
    await writeSpoolState(this.#parts.folder, this.#state);
  }

  /** Writes down how far it is. Never rejects. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#save().catch(() => undefined));
  }
}
