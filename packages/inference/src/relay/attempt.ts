/**
 * One attempt at one endpoint: sends the request, passes the answer on, and says how it ended. Until the first byte of
 * the answer's body is passed on an attempt may fail without harm: another one can follow.
 */
import type { ClientFailure, HttpCall, HttpPool, ResponseSink } from '@labmesh/kit/http/client';
import type { DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { headerValue, noLength, type ResponseHead } from '@labmesh/kit/http/head';
import type { Endpoint } from '../registry/endpoint.ts';
import { SseTap } from './sse-tap.ts';
import { type Usage, usageFromTail } from './usage.ts';

/** Answers up to this size are collected and sent whole; larger ones are passed on as they come. */
const wholeBytesMax = 64 * 1024;
const tailBytes = 16 * 1024;
const errorBytesMax = 1024 * 1024;

export type AttemptEnd =
  | { type: 'done'; status: number; usage: Usage | undefined; deltas: number }
  /** An answer of the engine with a status from 300 up: nothing was passed on. */
  | { type: 'refused'; status: number; head: ResponseHead; body: Uint8Array }
  /** No usable answer. `passed`: body bytes went to the client already. */
  | {
      type: 'failed';
      reason: ClientFailure['reason'] | 'stalled' | 'too_large';
      detail: string;
      passed: boolean;
      /** What went out is an event stream, and stops in the middle of an event. */
      sse: boolean;
      midEvent: boolean;
      usage: Usage | undefined;
      deltas: number;
    }
  | { type: 'left'; usage: Usage | undefined; deltas: number };

export type AttemptPlan = {
  endpoint: Endpoint;
  exchange: Exchange;
  head: string;
  body: readonly Uint8Array[];
  stream: boolean;
  withholdUsage: boolean;
  /** The client was promised an event stream already, by a keep-alive comment. */
  isPromisedStream: () => boolean;
  responseBytesMax: number;
  /** Sends the answer's head to the client, once; a no-op when a keep-alive comment went out before. */
  startAnswer: (head: ResponseHead) => void;
  replyWhole: (head: ResponseHead, body: Uint8Array) => void;
};

type Mode = 'waiting' | 'sse' | 'whole' | 'passing' | 'error';

export class Attempt implements ResponseSink, DeadlineEntry {
  deadline = 0;
  /** Clock ms of the first body byte, 0 before it. */
  firstByteAt = 0;
  readonly end: Promise<AttemptEnd>;
  #plan: AttemptPlan;
  #resolve: (end: AttemptEnd) => void;
  #deadlines: Deadlines;
  #call: HttpCall | undefined;
  #mode: Mode = 'waiting';
  #head: ResponseHead | undefined;
  #tap: SseTap | undefined;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #passed = false;
  #paused = false;
  #totalDeadline: number;
  #over = false;

  constructor(plan: AttemptPlan, pool: HttpPool, deadlines: Deadlines) {
    this.#plan = plan;
    this.#deadlines = deadlines;
    const { promise, resolve } = Promise.withResolvers<AttemptEnd>();
    this.end = promise;
    this.#resolve = resolve;
    const { ttftMs, totalMs, connectMs } = plan.endpoint.spec.timeouts;
    const now = performance.now();
    this.#totalDeadline = totalMs > 0 ? now + totalMs : Number.POSITIVE_INFINITY;
    this.#arm(plan.stream ? ttftMs : totalMs, now);
    deadlines.add(this);
    this.#call = pool.send(plan.endpoint.target, { method: 'POST', head: plan.head, body: plan.body, connectMs }, this);
  }

  #arm(ms: number, now: number): void {
    const at = ms > 0 ? Math.min(now + ms, this.#totalDeadline) : this.#totalDeadline;
    this.deadline = at === Number.POSITIVE_INFINITY ? 0 : at;
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    const type = headerValue(head.headers, 'content-type') ?? '';
    if (head.status >= 300) this.#mode = 'error';
    else if (/^text\/event-stream\b/i.test(type)) {
      this.#mode = 'sse';
      this.#tap = new SseTap(this.#plan.withholdUsage);
    } else if (this.#plan.isPromisedStream()) this.#mode = 'whole';
    else if (head.contentLength !== noLength && head.contentLength <= wholeBytesMax) this.#mode = 'whole';
    else this.#mode = 'passing';
  }

  /** The common read of a stream: one event in one chunk, passed on in the frame it came in. */
  onChunk(framed: Buffer, start: number, end: number): void {
    if (!this.#passed || this.#over || this.#tap?.passes(framed, start, end) !== true) {
      return this.onData(framed.subarray(start, end));
    }
    this.#bytes += end - start;
    this.#armNext(this.#deadlines.now);
    if (!this.#plan.exchange.writeChunk(framed, start, end)) this.#pause();
  }

  onData(bytes: Buffer): void {
    if (this.#over) return;
    // A clock of 100 ms grain is enough for what comes after the first byte.
    const now = this.firstByteAt === 0 ? performance.now() : this.#deadlines.now;
    if (this.firstByteAt === 0) this.firstByteAt = now;
    this.#bytes += bytes.length;
    switch (this.#mode) {
      case 'error':
        return this.#collect(bytes, errorBytesMax);
      case 'whole':
        return this.#collect(bytes, this.#plan.responseBytesMax);
      case 'sse':
        this.#armNext(now);
        return this.#pass((this.#tap as SseTap).push(bytes));
      default:
        this.#armNext(now);
        if (this.#promisedMeanwhile()) return this.#collect(bytes, this.#plan.responseBytesMax);
        if (this.#bytes > this.#plan.responseBytesMax)
          return this.#fail('too_large', `the answer is larger than ${this.#plan.responseBytesMax} bytes`);
        this.#keepTail(bytes);
        this.#pass(bytes);
    }
  }

  /** After a byte: streams must go on soon, other answers only have a total time. */
  #armNext(now: number): void {
    this.#arm(this.#plan.stream ? this.#plan.endpoint.spec.timeouts.interTokenMs : 0, now);
  }

  /** A keep-alive comment went out between the head and the first byte: the answer goes out as one event. */
  #promisedMeanwhile(): boolean {
    if (this.#passed || !this.#plan.isPromisedStream()) return false;
    this.#mode = 'whole';
    return true;
  }

  #collect(bytes: Uint8Array, bytesMax: number): void {
    if (this.#bytes > bytesMax) return this.#fail('too_large', `the answer is larger than ${bytesMax} bytes`);
    this.#parts.push(bytes);
  }

  #pass(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const { exchange } = this.#plan;
    if (!this.#passed) {
      this.#passed = true;
      this.#plan.startAnswer(this.#head as ResponseHead);
      exchange.onDrain(() => this.#resume());
    }
    if (!exchange.write(bytes)) this.#pause();
  }

  #pause(): void {
    if (this.#over) return;
    // The client is slow: nothing more is read from the engine; the client's own stall limit and the total time run.
    this.#paused = true;
    this.#arm(0, performance.now());
    this.#call?.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#armNext(performance.now());
    this.#call?.resume();
  }

  /** The last bytes of a long answer, where engines put `usage`. */
  #keepTail(bytes: Uint8Array): void {
    if (bytes.length >= tailBytes) this.#parts = [Buffer.from(bytes.subarray(-tailBytes))];
    else if (this.#parts.push(bytes) >= 32)
      this.#parts = [Buffer.from(Buffer.concat(this.#parts).subarray(-tailBytes))];
  }

  onEnd(): void {
    if (this.#over) return;
    const head = this.#head as ResponseHead;
    if (this.#mode === 'error')
      return this.#settle({ type: 'refused', status: head.status, head, body: Buffer.concat(this.#parts) });
    if (this.#mode === 'sse') return this.#endSse(head);
    if (this.#mode === 'passing') this.#promisedMeanwhile();
    const body = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts);
    const usage = usageFromTail(this.#mode === 'whole' ? body : body.subarray(-tailBytes));
    if (this.#mode === 'whole') {
      this.#plan.replyWhole(head, body);
    } else {
      if (!this.#passed) this.#plan.startAnswer(head);
      this.#plan.exchange.end();
    }
    this.#settle({ type: 'done', status: head.status, usage, deltas: 0 });
  }

  #endSse(head: ResponseHead): void {
    const tap = this.#tap as SseTap;
    const framed = head.chunked || head.contentLength !== noLength;
    if (!framed && !tap.finished) return this.#fail('reset', 'the event stream ended without [DONE]');
    this.#pass(tap.flush());
    if (!this.#passed) this.#plan.startAnswer(head);
    this.#plan.exchange.end();
    this.#settle({ type: 'done', status: head.status, usage: tap.usage, deltas: tap.events });
  }

  onFailure(failure: ClientFailure): void {
    this.#fail(failure.reason, failure.detail);
  }

  onDeadline(): void {
    const passed = this.#passed;
    this.#fail(passed ? 'stalled' : 'timeout', passed ? 'no byte came in time' : 'no answer came in time');
  }

  /** The client is gone: the engine's socket is closed at once. */
  leave(): void {
    if (this.#over) return;
    this.#call?.abort();
    this.#settle({ type: 'left', usage: this.#tap?.usage, deltas: this.#tap?.events ?? 0 });
  }

  /** Ends the attempt from our side, as a failure of the given kind. */
  #fail(reason: ClientFailure['reason'] | 'stalled' | 'too_large', detail: string): void {
    if (this.#over) return;
    this.#call?.abort();
    this.#settle({
      type: 'failed',
      reason,
      detail,
      passed: this.#passed,
      sse: this.#mode === 'sse',
      midEvent: this.#tap?.isMidEvent ?? false,
      usage: this.#tap?.usage,
      deltas: this.#tap?.events ?? 0,
    });
  }

  /** Used when an endpoint goes down: an attempt without a first byte is retried elsewhere. */
  giveUp(detail: string): void {
    if (!this.#passed) this.#fail('reset', detail);
  }

  /** Ends the attempt as broken, whatever went out. */
  cut(detail: string): void {
    this.#fail('reset', detail);
  }

  #settle(end: AttemptEnd): void {
    this.#over = true;
    this.#parts = [];
    this.#deadlines.delete(this);
    this.#resolve(end);
  }
}
