/**
 * Reads a stream of server-sent events on its way through. Bytes go out as they came, one piece a read; the only edit
 * is that the usage chunk we asked for on our own account (`choices: []` with `usage`) is taken out again. For that an
 * unfinished event is held back, but only while it may still turn out to be that chunk.
 */
import { readUsage, type Usage } from './usage.ts';

export const eventBytesMax = 256 * 1024;
/** The usage chunk is far smaller: what is larger is not held back. */
const heldBytesMax = 64 * 1024;

const usageKey = Buffer.from('"usage"');
const doneMark = Buffer.from('[DONE]');
const LF = 10;
const CR = 13;
const BRACKET = 93;
const empty = Buffer.alloc(0);

/** `data: [DONE]` and the like are read the long way. */
const shortBytes = 20;

const hasFinish = /"finish_reason"\s*:\s*"/;
const hasChoice = /"choices"\s*:\s*\[\s*[^\s\]]/;

/** Index after the blank line that ends the first event at or after `from`; -1 when there is none. */
function eventEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1];
    if (next === LF) return at + 2;
    if (next === CR && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

/** Index after the last blank line; 0 when there is none. */
function lastEventEnd(bytes: Buffer): number {
  const { length } = bytes;
  if (bytes[length - 1] === LF) {
    if (bytes[length - 2] === LF) return length;
    if (bytes[length - 2] === CR && bytes[length - 3] === LF) return length;
  }
  let end = 0;
  for (let next = eventEnd(bytes, 0); next >= 0; next = eventEnd(bytes, next)) end = next;
  return end;
}

/** The data of an event: its `data:` lines joined. */
function eventData(event: string): string {
  let data = '';
  for (const line of event.split(/\r\n|\n|\r/)) {
    if (!line.startsWith('data:')) continue;
    const value = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5);
    data = data === '' ? value : `${data}\n${value}`;
  }
  return data;
}

export class SseTap {
  /** Take the usage chunk out. */
  readonly #withhold: boolean;
  #tail: Buffer = empty;
  /** Bytes of the tail that went out already. */
  #sent = 0;
  #oversized = false;
  /** Bytes of the shortest event so far, 0 before the first. */
  #shortest = 0;
  usage: Usage | undefined;
  events = 0;
  #last: Buffer = empty;
  #done = false;

  constructor(withhold: boolean) {
    this.#withhold = withhold;
  }

  /** `[DONE]` or a finish reason was seen: an answer framed by the end of its connection is not cut short. */
  get finished(): boolean {
    return this.#done || hasFinish.test(this.#last.toString('latin1'));
  }

  /**
   * True when `bytes` from `start` to `end` are plain deltas that pass as they are; they are booked then. Most reads are:
   * found out by one native search. False changes nothing: `push` has to look.
   */
  passes(bytes: Buffer, start: number, end: number): boolean {
    if (this.#tail.length > 0 || end - start <= shortBytes) return false;
    // A delta ends with a brace; a bracket may be [DONE].
    if (bytes[end - 1] !== LF || bytes[end - 2] !== LF || bytes[end - 3] === BRACKET) return false;
    if (bytes.includes(usageKey)) return false;
    this.#last = bytes;
    if (end - start < this.#shortest * 2) this.events++;
    else this.#count(bytes.subarray(start, end));
    return true;
  }

  /** Gives the bytes to pass on now; empty when there are none. */
  push(fresh: Buffer): Uint8Array {
    const joined = this.#tail.length > 0;
    const data = joined ? Buffer.concat([this.#tail, fresh]) : fresh;
    const cut = lastEventEnd(data);
    const sent = this.#sent;
    const passed = cut === 0 ? empty : this.#complete(data.subarray(0, cut), sent);
    const rest = cut === data.length ? empty : data.subarray(cut);
    const restSent = cut === 0 ? sent : 0;
    const open = this.#keep(rest, restSent, joined || cut > 0, cut > 0);
    if (open.length === 0) return passed;
    return passed.length === 0 ? open : Buffer.concat([passed, open]);
  }

  /** Counts the events of a read, and learns how short one is: a read shorter than two needs no counting. */
  #count(bytes: Buffer): void {
    let start = 0;
    for (let end = eventEnd(bytes, 0); end >= 0; end = eventEnd(bytes, end)) {
      this.events++;
      this.#shortest = this.#shortest === 0 ? end : Math.min(this.#shortest, end - start);
      start = end;
    }
  }

  /** The client has half an event: what comes next must not be glued to it. */
  get isMidEvent(): boolean {
    return this.#sent > 0;
  }

  /** What was held when the stream ended: it goes out as it is. */
  flush(): Uint8Array {
    const left = this.#tail.subarray(this.#sent);
    this.#tail = empty;
    this.#sent = 0;
    return left;
  }

  /** Keeps the unfinished event; gives what of it may go out. */
  #keep(rest: Buffer, sent: number, owned: boolean, ended: boolean): Uint8Array {
    if (rest.length === 0) {
      this.#tail = empty;
      this.#sent = 0;
      this.#oversized = false;
      return empty;
    }
    if (rest.length > eventBytesMax || (this.#oversized && !ended)) {
      // Only the last bytes are kept: they may hold half of the blank line that ends this event.
      this.#oversized = true;
      this.#tail = Buffer.from(rest.subarray(-3));
      this.#sent = this.#tail.length;
      return rest.subarray(sent);
    }
    this.#oversized = false;
    this.#tail = owned ? rest : Buffer.from(rest);
    const hold =
      this.#withhold && sent === 0 && rest.length <= heldBytesMax && !hasChoice.test(rest.toString('latin1'));
    this.#sent = hold ? 0 : rest.length;
    return hold ? empty : rest.subarray(sent);
  }

  /** Reads whole events; gives their bytes from `sent` on, less the withheld one. */
  #complete(bytes: Buffer, sent: number): Buffer {
    this.#last = bytes;
    if (!this.#worthReading(bytes)) return bytes.subarray(sent);
    const pieces: Buffer[] = [];
    let from = sent;
    let dropped = false;
    for (let start = 0; start < bytes.length;) {
      const end = eventEnd(bytes, start);
      if (end < 0) break;
      if (this.#readEvent(bytes.subarray(start, end)) && start >= sent) {
        pieces.push(bytes.subarray(from, start));
        from = end;
        dropped = true;
      }
      start = end;
    }
    if (!dropped) return bytes.subarray(sent);
    pieces.push(bytes.subarray(from));
    return Buffer.concat(pieces);
  }

  /** Most reads hold plain deltas: found out by two native searches, without reading events. */
  #worthReading(bytes: Buffer): boolean {
    if (bytes.includes(usageKey) || bytes.includes(doneMark) || this.#oversized) return true;
    this.#count(bytes);
    return false;
  }

  /** True when the event is the usage chunk that is to be withheld. */
  #readEvent(event: Buffer): boolean {
    this.events++;
    const isUsage = event.includes(usageKey);
    if (!isUsage && !event.includes(doneMark)) return false;
    const data = eventData(event.toString('utf8'));
    if (data === '[DONE]') {
      this.#done = true;
      this.events--;
      return false;
    }
    if (!isUsage) return false;
    try {
      const value = JSON.parse(data) as { usage?: unknown; choices?: unknown };
      const usage = readUsage(value.usage);
      if (usage === undefined) return false;
      this.usage = usage;
      const alone = Array.isArray(value.choices) && value.choices.length === 0;
      if (alone) this.events--;
      return this.#withhold && alone;
    } catch {
      return false;
    }
  }
}
