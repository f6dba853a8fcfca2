/** Where to begin in a file for `--tail` and `--since`, found from its end so that a large one is not read whole. */
import type { FileHandle } from 'node:fs/promises';
import { GenerationReader } from './generation-reader.ts';
import { Generation, placeText } from './generations.ts';
import type { LogPaths } from './log-paths.ts';
import { lineTime } from '../line-time.ts';
import type { LineFilter } from '../log-source.ts';

const blockBytes = 64 * 1024;
const stepBytes = 1024 * 1024;
const headBytes = 16 * 1024;
/** A line longer than this counts as several. */
const carryBytesMax = 1024 * 1024;
const newline = 10;

async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, at);
  return buffer.subarray(0, bytesRead);
}

/** Offset of the `count`th wanted line from the end at `size`; 0 when there are not so many. */
export async function tailStart(
  handle: FileHandle,
  size: number,
  count: number,
  filter: LineFilter,
  now: number,
): Promise<number> {
  if (count === 0) return size;
  let left = count;
  let carry: Buffer = Buffer.alloc(0);
  for (let at = size; at > 0;) {
    const from = Math.max(0, at - blockBytes);
    const bytes = Buffer.concat([await readAt(handle, from, at - from), carry]);
    at = from;
    // A newline that ends the file begins no line.
    let end = from + bytes.length === size && bytes.at(-1) === newline ? bytes.length - 1 : bytes.length;
    for (;;) {
      const found = end === 0 ? -1 : bytes.lastIndexOf(newline, end - 1);
      if (found < 0) break;
      const text = bytes.toString('utf8', found + 1, end);
      if (filter.wantsAlone(text, lineTime(text, now)) && --left === 0) return from + found + 1;
      end = found;
    }
    carry = end > carryBytesMax ? Buffer.alloc(0) : bytes.subarray(0, end);
  }
  return 0;
}

/** Offset of a line at or before the first one that is as late as `since`; times only grow in a log. */
export async function sinceStart(handle: FileHandle, size: number, since: number, now: number): Promise<number> {
  for (let at = size; at > 0;) {
    at = Math.max(0, at - stepBytes);
    if (at === 0) return 0;
    const head = await readAt(handle, at, headBytes);
    const first = head.indexOf(newline) + 1;
    const lines = head.toString('utf8', first).split('\n');
    const time = lines.map((line) => lineTime(line, now)).find((one) => one !== undefined);
    if (first > 0 && time !== undefined && time < since) return at + first;
  }
  return 0;
}

/** The cursor of its end now; undefined when there is no such file yet. @throws Refused */
export async function endPlace(path: string, paths: LogPaths): Promise<string | undefined> {
  await using file = await Generation.open(path, paths);
  if (file === undefined) return undefined;
  const { size } = await file.stat();
  return placeText((await GenerationReader.at(file, size)).place);
}
