/**
 * Lines of a file that may be rotated under us (LG-2):
 *
 *     renamed      old file to its end ─► files that came and went since ─► the new one from 0
 *     copytruncate rest of ours from the copy ─► copies made since ─► the file again from 0
 *
 * Which of the two it was shows by itself: the name leads to another file, or the bytes before our place have changed.
 * Files are told apart by inode and beginning, not by name, and put in order by the time of their last byte.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { LogLine } from '@labmesh/wire/frame/open';
import { Refused } from '../../session-run.ts';
import { lineTime } from '../line-time.ts';
import { caughtUp, LineFilter, type LogSource, type LogsOpen, notice } from '../log-source.ts';
import { sinceStart, tailStart } from './file-start.ts';
import { GenerationReader, type PlacedLine } from './generation-reader.ts';
import { Generation, liveKey, type LogPlace, parsePlace, placeText, type Sibling, siblingsOf } from './generations.ts';
import { isSameHead, KnownFiles } from './known-files.ts';
import type { LogPaths } from './log-paths.ts';

const pollMs = 50;
/** After so many idle looks the next ones come less often. */
const [idleLooks, idlePollMs] = [100, 200];
/** After a read without one line end: a hole of 1 TiB, made by one `truncate`, must not cost a core for hours. */
const noLinePauseMs = 5;

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
  readonly #known: KnownFiles;
  #reader: GenerationReader | undefined;
  /** The live file is read from 0, and its first bytes have not come. */
  #isFresh = false;
  #idle = 0;

  constructor(path: string, open: LogsOpen, parts: FileLinesParts) {
    this.#path = path;
    this.#open = open;
    this.#parts = parts;
    this.#filter = new LineFilter(open);
    this.#known = new KnownFiles(path, parts.paths);
  }

  async *lines(): LogSource {
    try {
      if (!(await this.#begin())) yield this.#notice('the place to go on from is gone; from the start of the file');
      for (let isLive = false; ;) {
        // Where no line comes, whoever reads us cannot end it by reading no more.
        if (this.#parts.signal.aborted) return;
        const read = await this.#read();
        if (Array.isArray(read)) {
          if (read.length === 0) await this.#parts.clock.sleep(noLinePauseMs, this.#parts.signal);
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
    await this.#known.takeAll();
    const live = await Generation.open(this.#path, this.#parts.paths);
    if (live === undefined && !follow) throw new Refused('not-found', 'there is no such file');
    if (live !== undefined) await this.#goOn(live, place === undefined ? await this.#start(live) : 0, true);
    return place === undefined;
  }

  async #start(live: Generation): Promise<number> {
    const { tail, since } = this.#open;
    const { size } = await live.stat();
    const now = this.#parts.clock.wall();
    if (tail !== undefined) return tailStart(live.handle, size, tail, this.#filter, now);
    return since === undefined ? 0 : sinceStart(live.handle, size, since, now);
  }

  /** Finds the file that a cursor was in, or the copy that was made of it; what is older than that is known. */
  async #goTo(place: LogPlace): Promise<boolean> {
    const siblings = await siblingsOf(this.#path);
    const all = [{ path: this.#path, key: await liveKey(this.#path) }, ...siblings];
    // The file itself first: another one may begin with the same bytes.
    for (const { path } of all.toSorted((a, b) => Number(b.key === place.key) - Number(a.key === place.key))) {
      const file = await Generation.open(path, this.#parts.paths).catch(() => undefined);
      if (file === undefined) continue;
      const isIt =
        place.offset === 0 ? file.key === place.key : (await file.readAfter(place.offset, place.mark)) !== undefined;
      if (isIt) {
        const { mtimeNs } = await file.stat();
        await this.#known.takeAll((sibling) => sibling.mtimeNs < mtimeNs);
        this.#reader = await GenerationReader.at(file, place.offset);
        return true;
      }
      await file[Symbol.asyncDispose]();
    }
    return false;
  }

  /** Leaves the file before for good and reads `file` from `offset`. */
  async #goOn(file: Generation, offset: number, isLive: boolean): Promise<void> {
    this.#isFresh = isLive && offset === 0;
    await this.#replace(await GenerationReader.at(file, offset));
  }

  async #replace(reader: GenerationReader): Promise<void> {
    const left = this.#reader;
    this.#reader = reader;
    if (left === undefined || left.file === reader.file) return;
    await this.#known.take(left.file);
    await left.file[Symbol.asyncDispose]();
  }

  /** The next lines; 'end' when there is nothing now; 'moved' when we stand in another file. */
  async #read(): Promise<PlacedLine[] | 'end' | 'moved'> {
    const reader = this.#reader;
    if (reader === undefined) return this.#appeared();
    const read = await reader.next();
    if (read === 'truncated') return this.#afterTruncation(reader);
    if (read === 'end') return this.#atEnd(reader);
    if (!this.#isFresh) return read;
    this.#isFresh = false;
    return (await this.#wentBack(reader)) ? 'moved' : read;
  }

  async #appeared(): Promise<'end' | 'moved'> {
    const live = await Generation.open(this.#path, this.#parts.paths);
    if (live === undefined) return 'end';
    await this.#goOn(live, 0, true);
    return 'moved';
  }

  /**
   * A live file that we read from 0 has its first bytes, or none. If it was truncated or replaced between our decision
   * to read it and this, what it held is elsewhere by now: older than our bytes, and with another beginning. Then that
   * comes first, and our bytes are read again after it.
   */
  async #wentBack(reader: GenerationReader): Promise<boolean> {
    const [{ mtimeNs }, head] = [await reader.file.stat(), await reader.file.head()];
    const missed = await this.#known.nextUnread(async (file, sibling) => {
      return file.key !== reader.file.key && sibling.mtimeNs <= mtimeNs && !isSameHead(head, await file.head());
    });
    if (missed === undefined) return false;
    this.#reader = await GenerationReader.at(missed, 0);
    await reader.file[Symbol.asyncDispose]();
    return true;
  }

  async #afterTruncation(reader: GenerationReader): Promise<PlacedLine[] | 'moved'> {
    const copy = await this.#known.nextUnread((file) => reader.fits(file));
    if (copy !== undefined) {
      this.#isFresh = false;
      // The live file is not finished: its name stays, its next lines come behind its copies.
      const live = reader.file;
      this.#reader = reader.movedTo(copy);
      await live[Symbol.asyncDispose]();
      return 'moved';
    }
    // Truncated without a copy: what was not read yet is nowhere.
    const rest = reader.rest();
    await this.#goOn(reader.file, 0, true);
    return rest;
  }

  async #atEnd(reader: GenerationReader): Promise<PlacedLine[] | 'end' | 'moved'> {
    if ((await liveKey(this.#path)) === reader.file.key) {
      return this.#isFresh && (await this.#wentBack(reader)) ? 'moved' : 'end';
    }
    const next = await this.#nextAfter(reader);
    if (next === undefined) return 'end';
    // The writer may have written between our last look and leaving the file for good.
    const last = await reader.next();
    if (Array.isArray(last)) {
      await next.file[Symbol.asyncDispose]();
      return last;
    }
    const rest = reader.rest();
    await this.#goOn(next.file, 0, next.isLive);
    return rest;
  }

  /** The file after one that is finished. Undefined: it may still be written to, so we stay. */
  async #nextAfter(reader: GenerationReader): Promise<{ file: Generation; isLive: boolean } | undefined> {
    const { paths } = this.#parts;
    const between = await this.#known.nextUnread((file, sibling) => this.#isFinished(reader, file, sibling));
    if (between !== undefined) return { file: between, isLive: false };
    const file = await Generation.open(this.#path, paths);
    if (file === undefined) return undefined;
    const { size } = await file.stat();
    if (size > 0 || !this.#open.follow) return { file, isLive: true };
    // An empty new file: whoever writes has not come over to it yet.
    await file[Symbol.asyncDispose]();
    return undefined;
  }

  /** Not ours, and no copy that is just being made of the live file. */
  async #isFinished(reader: GenerationReader, file: Generation, sibling: Sibling): Promise<boolean> {
    if (file.key === reader.file.key) return false;
    const live = await Generation.open(this.#path, this.#parts.paths);
    if (live === undefined || live.key === sibling.key) {
      await live?.[Symbol.asyncDispose]();
      return true;
    }
    await using _ = live;
    return !isSameHead(await live.head(), await file.head());
  }
}
