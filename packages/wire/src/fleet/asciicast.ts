/**
 * asciicast v3 (EX-9; docs.asciinema.org/manual/asciicast/v3): the form of recordings. A head line, then one line an
 * event, each with the seconds since the event before it:
 *
 *     {"version":3,"term":{"cols":80,"rows":24,"type":"xterm-256color"},"timestamp":1766275200,"command":"top"}
 *     [0.25,"o","text"]      o output, i input, r resize "90x30", m marker, x exit status "0"
 *
 * It holds text, sessions give bytes: a character whose bytes are split over two writes waits for its rest, bytes that
 * are no UTF-8 become U+FFFD. Whoever needs the bytes themselves compares the hashes in the audit row.
 */
import { z } from 'zod';

export const castLimits = {
  /** Bytes of one line: a 64 KiB frame of control characters, each written as six, fits. */
  lineBytesMax: 1024 * 1024,
  /** Longest interval that is believed, seconds: 10 years. */
  intervalMax: 10 * 366 * 86_400,
} as const;

const side = z.int().min(0).max(65_535);
/** Keys that we do not know are kept out, as the format asks. */
export const castHeadSchema = z.object({
  version: z.literal(3),
  term: z.object({ cols: side, rows: side, type: z.string().max(64).optional() }),
  /** Unix seconds. */
  timestamp: z.number().optional(),
  command: z.string().optional(),
  title: z.string().optional(),
  idle_time_limit: z.number().min(0).optional(),
});
export type CastHead = z.infer<typeof castHeadSchema>;

export type CastCode = 'o' | 'i' | 'r' | 'm' | 'x';
/** Codes that we do not know come through as they are; players skip them. */
export type CastEvent = { interval: number; code: string; text: string };
export type CastItem = { type: 'head'; head: CastHead } | ({ type: 'event' } & CastEvent);

const eventSchema = z.tuple([z.number().min(0).max(castLimits.intervalMax), z.string().min(1).max(16), z.string()]);

/** A line that is no asciicast v3. `line` counts from 1. */
export class CastError extends Error {
  readonly line: number;

  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.name = 'CastError';
    this.line = line;
  }
}

const textDecoder = () => new TextDecoder('utf-8', { ignoreBOM: true });
const noBytes = new Uint8Array();

/** Bytes of one stream to text: split characters wait, bad bytes become U+FFFD. Nothing is ever thrown. */
export class CastText {
  #decoder = textDecoder();
  #idle = true;

  /** '' when the bytes end inside their first character. */
  push(bytes: Uint8Array): string {
    this.#idle = false;
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What waits: U+FFFD for a character that never got its rest, else ''. */
  end(): string {
    if (this.#idle) return '';
    this.#idle = true;
    return this.#decoder.decode(noBytes);
  }
}

/**
 * Writes lines. Times are milliseconds of one clock; they are rounded before they are subtracted, so that the sum of
 * the intervals never drifts from the time that passed.
 */
export class CastWriter {
  #lastMs: number;

  /** `startMs`: when interval 0 begins. */
  constructor(startMs: number) {
    this.#lastMs = Math.round(startMs);
  }

  head(head: CastHead): string {
    return `${JSON.stringify(head)}\n`;
  }

  /** A clock that went back counts as no time passed. */
  event(code: CastCode, text: string, atMs: number): string {
    const at = Math.max(this.#lastMs, Math.round(atMs));
    const interval = (at - this.#lastMs) / 1000;
    this.#lastMs = at;
    return eventLine({ interval, code, text });
  }
}

/** One event as its line, with the end of line. */
export const eventLine = ({ interval, code, text }: CastEvent): string =>
  `[${interval},"${code}",${JSON.stringify(text)}]\n`;

/** `90x30`, the text of an `r` event; undefined when it is not one. */
export function parseCastSize(text: string): { cols: number; rows: number } | undefined {
  const [, cols, rows] = /^(\d{1,5})x(\d{1,5})$/.exec(text) ?? [];
  if (cols === undefined || rows === undefined) return undefined;
  const size = { cols: Number(cols), rows: Number(rows) };
  return size.cols > 65_535 || size.rows > 65_535 ? undefined : size;
}

function parseLine(text: string, line: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CastError(line, 'not JSON');
  }
}

/**
 * Reads pieces of any size. Memory is bounded by one line of `lineBytesMax`.
 * @throws CastError from `push` and `end`; the reader is of no use after it.
 */
export class CastReader {
  readonly #decoder = textDecoder();
  #rest = '';
  #line = 0;
  #head: CastHead | undefined;

  /** The head, once its line has been read. */
  get head(): CastHead | undefined {
    return this.#head;
  }

  push(bytes: Uint8Array): CastItem[] {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The rest of a file without a last end of line. `cut` tells of a last line that was torn, as a crash leaves it. */
  end(): { items: CastItem[]; cut: boolean } {
    const last = this.#rest + this.#decoder.decode(noBytes);
    this.#rest = '';
    if (last.trim() === '') {
      if (this.#head === undefined) throw new CastError(this.#line + 1, 'no head');
      return { items: [], cut: false };
    }
    try {
      return { items: this.#take(`${last}\n`), cut: false };
    } catch (error) {
      // Only an event can be torn: without a head there is nothing to show.
      if (this.#head === undefined) throw error;
      return { items: [], cut: true };
    }
  }

  #take(text: string): CastItem[] {
    const items: CastItem[] = [];
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      const line = this.#rest + text.slice(from, at);
      this.#rest = '';
      from = at + 1;
      const item = this.#item(line);
      if (item !== undefined) items.push(item);
    }
    this.#rest += text.slice(from);
    this.#checkLength(this.#rest, this.#line + 1);
    return items;
  }

  #checkLength(text: string, line: number): void {
    if (text.length > castLimits.lineBytesMax) throw new CastError(line, `longer than ${castLimits.lineBytesMax}`);
  }

  /** undefined for comments and empty lines. */
  #item(text: string): CastItem | undefined {
    const line = ++this.#line;
    this.#checkLength(text, line);
    if (text.startsWith('#') || text.trim() === '') return undefined;
    const value = parseLine(text, line);
    if (this.#head === undefined) {
      const head = castHeadSchema.safeParse(value);
      if (!head.success) throw new CastError(line, 'not the head of an asciicast v3');
      this.#head = head.data;
      return { type: 'head', head: head.data };
    }
    const event = eventSchema.safeParse(value);
    if (!event.success) throw new CastError(line, 'not [seconds, code, text]');
    const [interval, code, body] = event.data;
    return { type: 'event', interval, code, text: body };
  }
}

/** How long a player waits before an event, ms: `speed` 2 halves it, `idleMax` (seconds) caps it before that (EX-11). */
export function playDelayMs(interval: number, options: { speed: number; idleMax?: number }): number {
  const shown = Math.min(interval, options.idleMax ?? Infinity);
  return (shown * 1000) / options.speed;
}
