/** One run as it comes over the wire: lines, events and bytes have bounds. */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { ClientFailure, HttpCall, ResponseSink } from '@labmesh/kit/http/client';
import type { ResponseHead } from '@labmesh/kit/http/head';
import { LineSplitter } from '@labmesh/kit/line-splitter';
import { parseJson } from '@labmesh/kit/parse-json';
import { arenaLineBytesMost } from '@labmesh/wire/verification/arena-run';
import { type ReadEvent, refusalOf, unavailable } from './read-arena-event.ts';

/** Events of one run; more are none of ours. */
const arenaEventsMost = 20_000;
/** Bytes of an answer that is no run: an error. */
const refusalBytesMost = 64 * 1024;
/** After its result an arena ends the answer; one that does not has its connection closed. */
const lingerMs = 1_000;

/** Reads the last event of one run; an arena that knows no `events` tells those before it too. */
export class RunSink<T> implements ResponseSink {
  call: HttpCall | undefined;
  readonly #lines = new LineSplitter('arena.line_bytes', arenaLineBytesMost);
  readonly #read: ReadEvent<T>;
  readonly #settle: (end: T | Error) => void;
  #status = 0;
  #events = 0;
  #refusal: Buffer[] = [];
  #refusalBytes = 0;
  #linger: NodeJS.Timeout | undefined;
  #over = false;

  constructor(read: ReadEvent<T>, settle: (end: T | Error) => void) {
    this.#read = read;
    this.#settle = settle;
  }

  onHead(head: ResponseHead): void {
    this.#status = head.status;
  }

  onData(bytes: Buffer): void {
    // Nothing comes after a result.
    if (this.#over) return this.call?.abort();
    if (this.#status !== 200) return this.#keepRefusal(bytes);
    try {
      for (const line of this.#lines.push(bytes)) this.#line(line);
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      this.#end(unavailable(error.message));
    }
  }

  onEnd(): void {
    clearTimeout(this.#linger);
    if (this.#over) return;
    if (this.#status === 200) {
      this.#line(this.#lines.end());
      return this.#end(unavailable('the arena ended a run without a result'));
    }
    this.#end(refusalOf(this.#status, Buffer.concat(this.#refusal).toString('utf8')));
  }

  onFailure(failure: ClientFailure): void {
    clearTimeout(this.#linger);
    this.#end(unavailable(`${failure.reason}: ${failure.detail}`));
  }

  #keepRefusal(bytes: Buffer): void {
    this.#refusalBytes += bytes.length;
    if (this.#refusalBytes <= refusalBytesMost) this.#refusal.push(Buffer.from(bytes));
    else this.#end(unavailable(`the arena answered ${this.#status} and would not stop`));
  }

  #line(line: string): void {
    if (this.#over || line.trim() === '') return;
    if (++this.#events > arenaEventsMost) return this.#end(unavailable('too many events of one run'));
    const end = this.#read(parseJson(line));
    if (end === undefined) return;
    if (!(end instanceof Error)) this.#linger = setTimeout(() => this.call?.abort(), lingerMs);
    this.#end(end);
  }

  #end(end: T | Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle(end);
  }
}
