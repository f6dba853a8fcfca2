/** Log lines as they come over a session, taken apart (LG-1). */
import { type LogLine, logLineSchema } from './open.ts';

/** Bytes of one line as JSON: the agent's own bound with room for escapes. */
const lineBytesMax = 8 * 1024 * 1024;
const newline = 0x0a;

/** What came is no log line. */
export class LogLineError extends Error {}

/** NDJSON in pieces of any size to lines. Holds at most one of them. */
export class LogLineReader {
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  /** @throws LogLineError; the reader is of no use after that */
  push(bytes: Uint8Array): LogLine[] {
    const lines: LogLine[] = [];
    let from = 0;
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
      const whole = Buffer.concat([...this.#rest, bytes.subarray(from, at)]);
      this.#rest = [];
      this.#restBytes = 0;
      from = at + 1;
      if (whole.length > 0) lines.push(lineOf(whole.toString('utf8')));
    }
    const rest = bytes.slice(from);
    this.#rest.push(rest);
    this.#restBytes += rest.length;
    if (this.#restBytes > lineBytesMax) throw new LogLineError('a log line is too long');
    return lines;
  }
}

function lineOf(text: string): LogLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LogLineError('a log line is no JSON');
  }
  const { data } = logLineSchema.safeParse(value);
  if (data === undefined) throw new LogLineError('a log line lacks what it must have');
  return data;
}
