/**
 * Log lines to a channel as NDJSON. What was there already is read at the reader's pace; what comes then is not waited
 * for: of the newest, a MiB is kept, older lines are dropped and their number stands in their place (LG-3).
 */
import { type Channel, ChannelClosed } from '@labmesh/link/channel';
import type { LogLine } from '@labmesh/wire/frame/open';
import { caughtUp, type LogSource, notice } from './log-source.ts';

export const keptBytesMax = 1024 * 1024;
/** Lines are written together up to this size. */
const batchBytes = 16 * 1024;
/** What a line costs besides its text. */
const lineCostBytes = 64;

const encoder = new TextEncoder();
const cost = (line: LogLine) => line.text.length + line.cursor.length + lineCostBytes;

/** The newest lines, up to a bound. */
export class NewestLines {
  readonly #max: number;
  #lines: LogLine[] = [];
  #bytes = 0;
  #dropped = 0;
  #lastDropped: LogLine | undefined;

  constructor(max = keptBytesMax) {
    this.#max = max;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  push(line: LogLine): void {
    this.#lines.push(line);
    this.#bytes += cost(line);
    let count = 0;
    while (this.#bytes > this.#max && count < this.#lines.length - 1) {
      const oldest = this.#lines[count++];
      if (oldest === undefined) break;
      this.#bytes -= cost(oldest);
      this.#lastDropped = oldest;
    }
    this.#dropped += count;
    if (count > 0) this.#lines.splice(0, count);
  }

  /** A batch of the oldest, behind the number of those that are gone. */
  take(): LogLine[] {
    const batch: LogLine[] = [];
    if (this.#dropped > 0 && this.#lastDropped !== undefined) {
      batch.push(notice(`${this.#dropped} lines dropped`, this.#lastDropped.at, this.#lastDropped.cursor));
      this.#dropped = 0;
    }
    let bytes = 0;
    let count = 0;
    while (count < this.#lines.length && bytes < batchBytes) {
      const line = this.#lines[count++];
      if (line === undefined) break;
      bytes += cost(line);
      batch.push(line);
    }
    this.#lines.splice(0, count);
    this.#bytes -= bytes;
    return batch;
  }
}

const encode = (lines: readonly LogLine[]): Uint8Array =>
  encoder.encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

/** Resolves at the end of `source`. @throws ChannelClosed, and what the source throws. */
export async function sendLines(source: LogSource, channel: Channel): Promise<void> {
  const isLive = await sendHistory(source, channel);
  if (isLive) await sendLive(source, channel);
}

/** True: there is more to come. */
async function sendHistory(source: LogSource, channel: Channel): Promise<boolean> {
  let batch: LogLine[] = [];
  let bytes = 0;
  const flush = async () => {
    if (batch.length > 0) await channel.write(1, encode(batch));
    batch = [];
    bytes = 0;
  };
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    if (next.value === caughtUp) {
      await flush();
      return true;
    }
    batch.push(next.value);
    bytes += cost(next.value);
    if (bytes >= batchBytes) await flush();
  }
  await flush();
  return false;
}

async function sendLive(source: LogSource, channel: Channel): Promise<void> {
  const kept = new NewestLines();
  let wake = () => {};
  let isOver = false;
  let isClosed = false;
  const reading = (async () => {
    for await (const line of source) {
      if (line === caughtUp) continue;
      kept.push(line);
      wake();
    }
  })();
  // Its error is thrown below, once what came before it is sent.
  const over = () => {
    isOver = true;
    wake();
  };
  reading.then(over, over);
  void channel.closed.then(() => {
    isClosed = true;
    wake();
  });
  while (!isClosed && !(isOver && kept.isEmpty)) {
    if (kept.isEmpty) await new Promise<void>((resolve) => (wake = resolve));
    else await channel.write(1, encode(kept.take()));
  }
  if (isClosed) throw new ChannelClosed(await channel.closed);
  await reading;
}
