/**
 * What one side of a channel has to send, in the only order that is right: bytes and EOF of each stream, EXIT after
 * every EOF, CLOSE last. A session end keeps its bytes until they are credited, so after a cut everything behind the
 * other side's count can go again; a relay forgets what it has passed on.
 */
import { encodeFrame, writeDataHead } from '@labmesh/wire/frame/codec';
import type { CloseReason, StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { ByteQueue } from './byte-queue.ts';

type Writer = { bytes: Uint8Array; at: number; resolve: () => void; reject: (error: Error) => void };

const done = Promise.resolve();

export class OutStream {
  readonly id: StreamId;
  readonly queue = new ByteQueue();
  /** Bytes that may be kept at most: the other side's window. */
  window: number;
  ended = false;
  eofPassed = false;
  #writers: Writer[] = [];

  constructor(id: StreamId, window: number) {
    this.id = id;
    this.window = window;
  }

  setWindow(window: number): void {
    this.window = window;
    this.#admit();
  }

  get hasWriters(): boolean {
    return this.#writers.length > 0;
  }
  /** Everything inside the window was handed to the link. */
  get isPassed(): boolean {
    return this.queue.passed === this.queue.written;
  }

  /** Resolves when all of `bytes` lies inside the window. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#writers.length === 0) {
      const room = this.window - this.queue.size;
      if (bytes.length <= room) {
        this.queue.append(bytes);
        return done;
      }
    }
    return new Promise((resolve, reject) => {
      this.#writers.push({ bytes, at: 0, resolve, reject });
      this.#admit();
    });
  }

  /** Lets waiting writers in as far as the window goes. */
  #admit(): void {
    for (let writer = this.#writers[0]; writer !== undefined; writer = this.#writers[0]) {
      const room = this.window - this.queue.size;
      const part = writer.bytes.subarray(writer.at, writer.at + Math.max(0, room));
      this.queue.append(part);
      writer.at += part.length;
      if (writer.at < writer.bytes.length) return;
      this.#writers.shift();
      writer.resolve();
    }
  }

  /** The other side consumed `count` bytes. False: more than it can have. */
  credit(count: number): boolean {
    if (count > this.queue.passed) return false;
    if (count > this.queue.released) {
      this.queue.release(count);
      this.#admit();
    }
    return true;
  }

  reject(error: Error): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.reject(error);
  }
}

export class Outgoing {
  readonly streams: readonly OutStream[];
  /** Forget what was passed: a relay's. */
  readonly #forgets: boolean;
  #turn = 0;
  #exit: { body: Exit; passed: boolean } | undefined;
  #close: { reason: CloseReason; text: string; passed: boolean } | undefined;
  /** CLOSE went out at least once. */
  closeWasSent = false;

  constructor(ids: readonly StreamId[], window: number, forgets: boolean) {
    this.streams = ids.map((id) => new OutStream(id, window));
    this.#forgets = forgets;
  }

  stream(id: StreamId): OutStream | undefined {
    return this.streams.find((stream) => stream.id === id);
  }

  setWindow(window: number): void {
    for (const stream of this.streams) stream.setWindow(window);
  }

  set exit(body: Exit) {
    this.#exit ??= { body, passed: false };
  }

  /** Ends every stream; the first reason stays. */
  setClose(reason: CloseReason, text: string): void {
    this.#close ??= { reason, text, passed: false };
    // An EXIT must not wait for an EOF that can no longer come.
    if (this.#exit !== undefined) for (const stream of this.streams) stream.ended = true;
  }

  /** CLOSE went out on the channel of the moment. Until then the other side waits for it, even when it closed itself. */
  get closeIsOut(): boolean {
    return this.#close?.passed === true;
  }

  /** The next frame for channel `id`; DATA of at most `most` bytes. */
  pull(id: number, most: number): Uint8Array | undefined {
    for (let tried = 0; tried < this.streams.length; tried++) {
      const stream = this.streams[this.#turn++ % this.streams.length];
      const frame = stream === undefined ? undefined : this.#pullStream(stream, id, most);
      if (frame !== undefined) return frame;
    }
    if (!this.streams.every((stream) => stream.isPassed && !stream.hasWriters)) return undefined;
    if (this.#exit?.passed === false && this.streams.every((stream) => stream.eofPassed)) {
      this.#exit.passed = true;
      return encodeFrame({ type: 'exit', channel: id, body: this.#exit.body });
    }
    if (this.#close?.passed !== false || this.#exit?.passed === false) return undefined;
    this.#close.passed = this.closeWasSent = true;
    return encodeFrame({ type: 'close', channel: id, reason: this.#close.reason, text: this.#close.text });
  }

  /** Streams take turns, so a full stdout does not hold stderr back. */
  #pullStream(stream: OutStream, id: number, most: number): Uint8Array | undefined {
    const frame = stream.queue.takeFrame(most);
    if (frame !== undefined) {
      if (this.#forgets) stream.queue.release(stream.queue.passed);
      writeDataHead(frame, id, stream.id);
      return frame;
    }
    if (!stream.ended || stream.eofPassed || stream.hasWriters) return undefined;
    stream.eofPassed = true;
    return encodeFrame({ type: 'eof', channel: id, stream: stream.id });
  }

  /** After a cut: everything from these counts on goes again. */
  rewind(countOf: (id: StreamId) => number): void {
    for (const stream of this.streams) {
      stream.queue.rewind(countOf(stream.id));
      stream.eofPassed = false;
    }
    if (this.#exit !== undefined) this.#exit.passed = false;
    if (this.#close !== undefined) this.#close.passed = false;
  }

  rejectWriters(error: Error): void {
    for (const stream of this.streams) stream.reject(error);
  }

  clear(): void {
    for (const stream of this.streams) stream.queue.clear();
  }
}
