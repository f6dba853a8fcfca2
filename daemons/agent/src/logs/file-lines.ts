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
import { Generation, keptBytes, liveKey, type LogPlace, type Mark, markOf, noMark } from './file-generations.ts';
import { parsePlace, placeText, siblingsOf } from './file-generations.ts';
import { sinceStart, tailStart } from './file-start.ts';
import { LineSplitter, type RawLine } from './line-splitter.ts';
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
  #file: Generation | undefined;
  #offset = 0;
  /** Last bytes before `#offset`. */
  #before: Uint8Array = new Uint8Array();
  #mark: Mark = noMark;
  #splitter = new LineSplitter();
  /** Time of the newest byte that was given; later files were written after it. */
  #newest = 0n;
  /** The log is rotated by copytruncate. */
  #isCopied = false;
  #isLost = false;

  constructor(path: string, open: LogsOpen, parts: FileLinesParts) {
    this.#path = path;
    this.#open = open;
    this.#parts = parts;
    this.#filter = new LineFilter(open);
  }

  async *lines(): LogSource {
    try {
      await this.#begin();
      if (this.#isLost) yield this.#notice('the place to go on from is gone; from the start of the file');
      for (let isLive = false; ; ) {
        const bytes = await this.#file?.readAfter(this.#offset, this.#mark);
        if (bytes !== undefined && bytes.length > 0) {
          yield* this.#take(bytes);
          if (!this.#open.follow && this.#filter.isPast) return;
          continue;
        }
        const isTruncated = this.#file !== undefined && bytes === undefined;
        const next = isTruncated ? await this.#afterTruncation() : await this.#following();
        if (next !== undefined) {
          yield* this.#enter(next);
          continue;
        }
        if (!this.#open.follow) return yield* this.#flush();
        if (!isLive) yield caughtUp;
        isLive = true;
        await this.#wait();
      }
    } finally {
      await this.#file?.[Symbol.asyncDispose]();
    }
  }

  #idle = 0;
  async #wait(): Promise<void> {
    const { clock, signal } = this.#parts;
    this.#idle += 1;
    await clock.sleep(this.#idle > idleLooks ? idlePollMs : pollMs, signal);
  }

  #place(): LogPlace {
    return { key: this.#file?.key ?? '0-0', offset: this.#offset, mark: this.#mark };
  }

  #notice(text: string): LogLine {
    return notice(text, null, placeText(this.#place()));
  }

  async #begin(): Promise<void> {
    const { cursor, follow } = this.#open;
    const place = cursor === undefined ? undefined : parsePlace(cursor);
    if (cursor !== undefined && place === undefined) throw new Refused('protocol', 'that cursor is not one of a file');
    if (place !== undefined && (await this.#goTo(place))) return;
    const live = await Generation.open(this.#path, this.#parts.paths);
    if (live === undefined && !follow) throw new Refused('not-found', 'there is no such file');
    if (live === undefined) return;
    this.#isLost = place !== undefined;
    this.#set(live, place === undefined ? await this.#start(live) : 0);
    await this.#learnMark(live);
  }

  async #start(live: Generation): Promise<number> {
    const { tail, since, follow } = this.#open;
    const { size } = await live.stat();
    const now = this.#parts.clock.wall();
    if (tail !== undefined) return tailStart(live.handle, size, tail, this.#filter, now);
    if (since !== undefined && !follow) return sinceStart(live.handle, size, since, now);
    return since === undefined ? 0 : sinceStart(live.handle, size, since, now);
  }

  /** Reads what stands before the place that was chosen. */
  async #learnMark(file: Generation): Promise<void> {
    const buffer = Buffer.alloc(Math.min(64, this.#offset));
    const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, this.#offset - buffer.length);
    this.#before = new Uint8Array(buffer.subarray(0, bytesRead));
    this.#mark = markOf(this.#before);
  }

  /** Finds the file that a cursor was in, or the copy that was made of it. */
  async #goTo(place: LogPlace): Promise<boolean> {
    const siblings = await siblingsOf(this.#path);
    const others = siblings.toSorted((a, b) => Number(b.key === place.key) - Number(a.key === place.key));
    const isLiveFirst = (await liveKey(this.#path)) === place.key;
    const paths = others.map(({ path }) => path);
    for (const path of isLiveFirst ? [this.#path, ...paths] : [...paths, this.#path]) {
      const file = await Generation.open(path, this.#parts.paths).catch(() => undefined);
      if (file === undefined) continue;
      const fits = place.offset > 0 && (await file.readAfter(place.offset, place.mark)) !== undefined;
      if (fits || (place.offset === 0 && file.key === place.key)) {
        this.#isCopied = file.key !== place.key;
        this.#set(file, place.offset);
        await this.#learnMark(file);
        return true;
      }
      await file[Symbol.asyncDispose]();
    }
    return false;
  }

  #set(file: Generation, offset: number): void {
    this.#file = file;
    this.#offset = offset;
    this.#before = new Uint8Array();
    this.#mark = noMark;
    this.#splitter = new LineSplitter(offset);
  }

  *#take(bytes: Uint8Array): Generator<LogLine> {
    this.#idle = 0;
    const from = this.#offset - this.#before.length;
    const window = Buffer.concat([this.#before, bytes]);
    this.#offset += bytes.length;
    this.#before = keptBytes(window);
    this.#mark = markOf(this.#before);
    for (const line of this.#splitter.feed(bytes)) yield* this.#line(line, window.subarray(0, line.end - from));
  }

  *#line({ text, end }: RawLine, before: Uint8Array): Generator<LogLine> {
    const at = lineTime(text, this.#parts.clock.wall());
    if (!this.#filter.wants(text, at)) return;
    const cursor = placeText({ key: this.#file?.key ?? '0-0', offset: end, mark: markOf(before) });
    yield { at: at ?? null, text, cursor };
  }

  /** What has no line end yet, when there will be none. */
  *#flush(): Generator<LogLine> {
    const rest = this.#splitter.rest();
    if (rest !== undefined) yield* this.#line(rest, this.#before);
  }

  async *#enter(next: { file: Generation; offset: number }): AsyncGenerator<LogLine> {
    const left = this.#file;
    // A copy goes on with the line we are in; any other file begins with a new one.
    const goesOn = next.offset > 0 && next.offset === this.#offset;
    if (!goesOn) yield* this.#flush();
    const { offset, before, mark, splitter } = this.#kept();
    this.#set(next.file, next.offset);
    if (goesOn) Object.assign(this, this.#restore(offset, before, mark, splitter));
    if (left !== next.file) await left?.[Symbol.asyncDispose]();
  }
}
