/**
 * Copies an answer on its way out, for audit and shadow (verification RP3): bytes and their time are left alone, and what
 * is kept has bounds. What does not fit is not looked at, and said to be so.
 */
import type { Exchange } from '@labmesh/kit/http/exchange';
import { ForwardedExchange } from './forwarded-exchange.ts';
import { labmeshVerificationHeader } from './verified-headers.ts';

/** Bytes of one answer: 100,000 characters in events of a few characters each. */
export const copyBytesMost = 8 * 1024 * 1024;
const firstBlock = 4 * 1024;
const nothing = Buffer.alloc(0);

/** Bytes that all copies together may hold. */
export class CopyBudget {
  readonly max: number;
  held = 0;

  constructor(max: number) {
    this.max = max;
  }

  take(bytes: number): boolean {
    if (this.held + bytes > this.max) return false;
    this.held += bytes;
    return true;
  }
  give(bytes: number): void {
    this.held -= bytes;
  }
}

export class AnswerCopy extends ForwardedExchange implements Disposable {
  readonly #budget: CopyBudget;
  readonly #offerId: string;
  #block = nothing;
  #size = 0;
  status = 0;
  /** An event stream, as against one JSON object. */
  isStream = false;
  /** It did not fit. */
  cut = false;

  constructor(inner: Exchange, budget: CopyBudget, offerId: string) {
    super(inner);
    this.#budget = budget;
    this.#offerId = offerId;
  }

  /** What was kept; good until the copy is disposed of. */
  get bytes(): Buffer {
    return this.#block.subarray(0, this.#size);
  }
  /** What it takes of the budget. */
  get heldBytes(): number {
    return this.#block.length;
  }

  override start(status: number, headers: ReadonlyArray<readonly [name: string, value: string]>): void {
    this.inner.start(status, this.#noted(status, headers));
  }
  override write(bytes: Uint8Array): boolean {
    this.#keep(bytes, 0, bytes.length);
    return this.inner.write(bytes);
  }
  override writeChunk(framed: Buffer, start: number, end: number): boolean {
    this.#keep(framed, start, end);
    return this.inner.writeChunk(framed, start, end);
  }
  override reply(
    status: number,
    headers: ReadonlyArray<readonly [name: string, value: string]>,
    body: Uint8Array | string,
  ): void {
    const noted = this.#noted(status, headers);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    // No more follows: a block of its size.
    if (status === 200) this.#keep(bytes, 0, bytes.length, 0);
    this.inner.reply(status, noted, body);
  }

  /** The head says that the answer will be looked at, and under which id: a refusal is not. */
  #noted(status: number, headers: ReadonlyArray<readonly [name: string, value: string]>) {
    this.status = status;
    this.isStream = headers.some(([name, value]) => name === 'content-type' && /^text\/event-stream\b/i.test(value));
    if (status !== 200) return headers;
    return [
      ...headers,
      [labmeshVerificationHeader, 'pending'] as const,
      ['x-labmesh-verification-request', this.#offerId] as const,
    ];
  }

  #keep(bytes: Uint8Array, start: number, end: number, least = firstBlock): void {
    if (this.cut) return;
    const wanted = this.#size + end - start;
    if (wanted > this.#block.length && !this.#grow(wanted, least)) return;
    this.#block.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#size);
    this.#size = wanted;
  }

  #grow(wanted: number, least: number): boolean {
    const length = Math.max(least, wanted, Math.min(this.#block.length * 2, copyBytesMost));
    if (wanted > copyBytesMost || !this.#budget.take(length - this.#block.length)) {
      this.cut = true;
      this[Symbol.dispose]();
      return false;
    }
    const larger = Buffer.allocUnsafeSlow(length);
    this.#block.copy(larger, 0, 0, this.#size);
    this.#block = larger;
    return true;
  }

  /** Gives its part of the budget back. */
  [Symbol.dispose](): void {
    this.#budget.give(this.#block.length);
    this.#block = nothing;
    this.#size = 0;
  }
}
