/** One file of the spool: entries that are only appended, and one behind the other read again. */
import { open, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, entryBytesMax, parseEntry } from './entry.ts';

export const segmentPattern = /^\d{16}\.spool$/;
const newline = 10;
/** Most entries are smaller. */
const entryBytesUsual = 96 * 1024;

export class Segment {
  readonly path: string;
  bytes = 0;
  /** Of what was found behind the last whole entry. */
  cutBytes = 0;
  /** Of the last entry. */
  lastSeq = 0;
  /** Lines that are not through yet. */
  linesLeft = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /** An empty one, to be written. */
  static create(folder: string, seq: number): Segment {
    return new Segment(join(folder, `${String(seq).padStart(16, '0')}.spool`));
  }

  /** One that an earlier run left. What stands behind its last whole entry is cut off: nobody was sent that. */
  static async load(path: string, onEntry: (entry: Entry, end: number) => void): Promise<Segment> {
    const segment = new Segment(path);
    const content = await readFile(path);
    for (let at = content.indexOf(newline); at >= 0; at = content.indexOf(newline, segment.bytes)) {
      const entry = parseEntry(content.toString('utf8', segment.bytes, at));
      if (entry === undefined) break;
      segment.bytes = at + 1;
      segment.lastSeq = entry.seq;
      segment.linesLeft += entry.lines.length;
      onEntry(entry, segment.bytes);
    }
    segment.cutBytes = content.length - segment.bytes;
    if (segment.cutBytes > 0) await truncate(path, segment.bytes);
    return segment;
  }

  /** On disk when it resolves. @throws what the file system says; then nothing was added. */
  async append(text: Buffer, { seq, lines }: Pick<Entry, 'seq' | 'lines'>): Promise<void> {
    const handle = await open(this.path, 'a', 0o600);
    try {
      const { bytesWritten } = await handle.write(text);
      if (bytesWritten < text.length) throw new Error('the disk took only a part');
      await handle.datasync();
    } catch (error) {
      await handle.truncate(this.bytes).catch(() => undefined);
      throw error;
    } finally {
      await handle.close();
    }
    this.bytes += text.length;
    this.lastSeq = seq;
    this.linesLeft += lines.length;
  }

  /** The entry that begins at `offset`, and where the next one does. Undefined: there is none to be read. */
  async read(offset: number): Promise<{ entry: Entry; end: number } | undefined> {
    const handle = await open(this.path, 'r');
    try {
      for (const size of [entryBytesUsual, entryBytesMax]) {
        const buffer = Buffer.alloc(Math.min(size, this.bytes - offset));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        const at = buffer.subarray(0, bytesRead).indexOf(newline);
        if (at < 0) continue;
        const entry = parseEntry(buffer.toString('utf8', 0, at));
        return entry && { entry, end: offset + at + 1 };
      }
      return undefined;
    } finally {
      await handle.close();
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true }).catch(() => undefined);
  }
}
