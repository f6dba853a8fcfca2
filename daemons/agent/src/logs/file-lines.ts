/**
 * Lines of a file that may be rotated under us (LG-2):
 *
 *     renamed      old file to its end ─► files that came and went since ─► the new one from 0
 *     copytruncate rest of ours from the copy ─► copies made since ─► the file again from 0
 *
 * Which of the two it was shows by itself: the name leads to another file, or the bytes before our place have changed.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { LogLine } from '@labmesh/wire/frame/open';
import { Refused } from '../session-run.ts';
import {
  Generation,
  liveKey,
  type LogPlace,
  openSibling,
  parsePlace,
  placeText,
  type Sibling,
  siblingsOf,
} from './file-generations.ts';
import { sinceStart, tailStart } from './file-start.ts';
import { GenerationReader, type PlacedLine } from './generation-reader.ts';
import { lineTime } from './line-time.ts';
import type { LogPaths } from './log-paths.ts';
import { caughtUp, LineFilter, type LogSource, type LogsOpen, notice } from './log-source.ts';

const pollMs = 50;
/** After so many idle looks the next ones come less often. */
const [idleLooks, idlePollMs] = [100, 200];

export type FileLinesParts = { paths: LogPaths; clock: Clock; signal: AbortSignal };

/** @throws Refused denied, not-found, io, protocol, also from the generator. */
export function fileLines(path: string, open: LogsOpen, parts: FileLinesParts): LogSource {
  return new FileLines(path, open, parts).lines();
}

class FileLines {
  readonly #path: string;
  readonly #open: LogsOpen;
  readonly #parts: FileLinesParts;
  readonly #filter: LineFilter;
  #reader: GenerationReader | undefined;
  /** Rotated by copytruncate, as far as we saw. */
  #isCopied = false;
  /** When the file we read was last written, at our last look. */
  #readTime = 0n;
  /** The newest rotated file when we began to read the live one at 0; checked when its first bytes come. */
  #newestBefore: bigint | undefined;
  /** Where we were in the file before this one. */
  #left: LogPlace | undefined;
  #idle = 0;

  constructor(path: string, open: LogsOpen, parts: FileLinesParts) {
    this.#path = path;
    this.#open = open;
    this.#parts = parts;
    this.#filter = new LineFilter(open);
  }

  async *lines(): LogSource {
    try {
      if (!(await this.#begin())) yield this.#notice('the place to go on from is gone; from the start of the file');
      for (let isLive = false; ;) {
        const read = await this.#read();
        if (Array.isArray(read)) {
          yield* this.#wanted(read);
          if (!this.#open.follow && this.#filter.isPast) return;
        } else if (read === 'end') {
          if (!this.#open.follow) return yield* this.#wanted(this.#reader?.rest() ?? []);
          if (!isLive) yield caughtUp;
          isLive = true;
          await this.#wait();
        }
      }
    } finally {
      await this.#reader?.file[Symbol.asyncDispose]();
    }
  }

  async #wait(): Promise<void> {
    const { clock, signal } = this.#parts;
    this.#idle += 1;
    await clock.sleep(this.#idle > idleLooks ? idlePollMs : pollMs, signal);
  }

  #notice(text: string): LogLine {
    const place = this.#reader?.place;
    return notice(text, null, place === undefined ? '' : placeText(place));
  }

  *#wanted(lines: readonly PlacedLine[]): Generator<LogLine> {
    this.#idle = 0;
    for (const { text, cursor } of lines) {
      const at = lineTime(text, this.#parts.clock.wall());
      if (this.#filter.wants(text, at)) yield { at: at ?? null, text, cursor };
    }
  }

  /** False: the cursor's place is nowhere any more. */
  async #begin(): Promise<boolean> {
    const { cursor, follow } = this.#open;
    const place = cursor === undefined ? undefined : parsePlace(cursor);
    if (cursor !== undefined && place === undefined) throw new Refused('protocol', 'that cursor is not one of a file');
    if (place !== undefined && (await this.#goTo(place))) return true;
    const live = await Generation.open(this.#path, this.#parts.paths);
    if (live === undefined && !follow) throw new Refused('not-found', 'there is no such file');
    if (live !== undefined) await this.#enterLive(live, place === undefined ? await this.#start(live) : 0);
    return place === undefined;
  }

  async #start(live: Generation): Promise<number> {
    const { tail, since } = this.#open;
    const { size } = await live.stat();
    const now = this.#parts.clock.wall();
    if (tail !== undefined) return tailStart(live.handle, size, tail, this.#filter, now);
    return since === undefined ? 0 : sinceStart(live.handle, size, since, now);
  }

  /** Finds the file that a cursor was in, or the copy that was made of it. */
  async #goTo(place: LogPlace): Promise<boolean> {
    const key = await liveKey(this.#path);
    const all = [{ path: this.#path, key }, ...(await siblingsOf(this.#path))];
    // The file itself first: another one may begin with the same bytes.
    for (const { path } of all.toSorted((a, b) => Number(b.key === place.key) - Number(a.key === place.key))) {
      const file = await Generation.open(path, this.#parts.paths).catch(() => undefined);
      if (file === undefined) continue;
      const isIt =
        place.offset === 0 ? file.key === place.key : (await file.readAfter(place.offset, place.mark)) !== undefined;
      if (isIt) {
        this.#isCopied = file.key !== place.key;
        this.#reader = await GenerationReader.at(file, place.offset);
        return true;
      }
      await file[Symbol.asyncDispose]();
    }
    return false;
  }

  /** `since`: files written later than that are new to us. */
  async #enterLive(live: Generation, offset: number, since?: bigint): Promise<void> {
    const newest = since ?? (await siblingsOf(this.#path)).at(-1)?.mtimeNs ?? 0n;
    this.#newestBefore = offset > 0 ? undefined : newest;
    await this.#goOn(await GenerationReader.at(live, offset));
  }

  async #goOn(reader: GenerationReader): Promise<void> {
    const left = this.#reader;
    this.#reader = reader;
    if (left === undefined || left.file === reader.file) return;
    this.#left = left.place;
    await left.file[Symbol.asyncDispose]();
  }

  /** The next lines; 'end' when there is nothing now; 'moved' when we stand in another file. */
  async #read(): Promise<PlacedLine[] | 'end' | 'moved'> {
    const reader = this.#reader;
    if (reader === undefined) return this.#appeared();
    // Asked before the read: a truncation in between must not make the file younger than its copy.
    const { mtimeNs } = await reader.file.stat();
    const read = await reader.next();
    if (read === 'truncated') return this.#afterTruncation(reader);
    this.#readTime = mtimeNs;
    if (read === 'end') return this.#atEnd(reader);
    const since = this.#newestBefore;
    this.#newestBefore = undefined;
    if (since === undefined || !(await this.#wasSkipped(reader, since))) return read;
    return 'moved';
  }

  async #appeared(): Promise<'end' | 'moved'> {
    const live = await Generation.open(this.#path, this.#parts.paths);
    if (live === undefined) return 'end';
    await this.#enterLive(live, 0);
    return 'moved';
  }

  /** Between looking for copies and the first bytes another copytruncate may have come: then its copy is next. */
  async #wasSkipped(reader: GenerationReader, since: bigint): Promise<boolean> {
    if ((await liveKey(this.#path)) !== reader.file.key) return false;
    const isNew = ({ mtimeNs, key }: Sibling) => mtimeNs > since && key !== reader.file.key;
    const file = await openSibling(this.#path, this.#parts.paths, isNew);
    if (file === undefined) return false;
    const left = this.#left;
    const isLeft = left?.key === file.key && (await file.readAfter(left.offset, left.mark)) !== undefined;
    if (isLeft || (await reader.fits(file))) {
      // The copy we come from, or one made after we read: these bytes are its beginning.
      await file[Symbol.asyncDispose]();
      return false;
    }
    this.#isCopied = true;
    await this.#goOn(await GenerationReader.at(file, 0));
    return true;
  }

  async #afterTruncation(reader: GenerationReader): Promise<PlacedLine[] | 'moved'> {
    this.#isCopied = true;
    for (const { path, mtimeNs } of await siblingsOf(this.#path)) {
      if (mtimeNs < this.#readTime) continue;
      const copy = await Generation.open(path, this.#parts.paths);
      if (copy === undefined) continue;
      if (await reader.fits(copy)) {
        await this.#goOn(reader.movedTo(copy));
        return 'moved';
      }
      await copy[Symbol.asyncDispose]();
    }
    // Truncated without a copy: what was not read yet is nowhere.
    const rest = reader.rest();
    await this.#enterLive(reader.file, 0, this.#readTime);
    return rest;
  }

  async #atEnd(reader: GenerationReader): Promise<PlacedLine[] | 'end' | 'moved'> {
    const key = await liveKey(this.#path);
    if (key === reader.file.key || (key === undefined && this.#open.follow)) return 'end';
    const next = await this.#nextAfter(reader);
    if (next === undefined) return 'end';
    if (next instanceof GenerationReader) {
      await this.#goOn(next);
      return 'moved';
    }
    // The writer may have written between our last look and leaving the file for good.
    const last = await reader.next();
    if (Array.isArray(last)) {
      await next.file[Symbol.asyncDispose]();
      return last;
    }
    const rest = reader.rest();
    await (next.isLive ? this.#enterLive(next.file, 0, this.#readTime) : this.#goOn(await GenerationReader.at(next.file, 0)));
    return rest;
  }

  /** The file after one that is finished. Undefined: it may still be written to, so we stay. */
  async #nextAfter(reader: GenerationReader) {
    const { paths } = this.#parts;
    const mtimeNs = this.#readTime;
    const isNewer = (one: Sibling) => one.mtimeNs > mtimeNs && one.key !== reader.file.key;
    const between = await openSibling(this.#path, paths, isNewer);
    if (between !== undefined) return { file: between, isLive: false };
    const file = await Generation.open(this.#path, paths);
    if (file === undefined) return undefined;
    // A copy whose original was not truncated yet.
    if (this.#isCopied && (await reader.fits(file))) return reader.movedTo(file);
    // Rotated again while we looked: what was live then comes first.
    const missed = await openSibling(this.#path, paths, (one) => isNewer(one) && one.key !== file.key);
    const { size } = await file.stat();
    if (missed === undefined && (size > 0 || !this.#open.follow)) return { file, isLive: true };
    await file[Symbol.asyncDispose]();
    // An empty new file: whoever writes has not come over to it yet.
    return missed === undefined ? undefined : { file: missed, isLive: false };
  }
}
