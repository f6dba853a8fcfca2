/** HTTP towards a labmesh API through the pool: no proxy variable is obeyed, a stream is given as it comes. */
import type { ClientFailure, HttpCall, HttpPool, Origin } from '@labmesh/kit/http/client';
import { hostHeader } from '@labmesh/kit/http/fetch-whole';
import { CommandError } from '../command-error.ts';

export type ApiRequest = {
  method: string;
  /** Below the origin, such as `/v1/models`. */
  path: string;
  key?: string | undefined;
  json?: unknown;
};

/** There was no answer, or it broke off; `reason` tells how. */
export class AnswerError extends Error {
  readonly reason: ClientFailure['reason'];
  constructor(failure: ClientFailure) {
    super(failure.detail);
    this.name = 'AnswerError';
    this.reason = failure.reason;
  }
}

/** Bytes of an answer that are held while nobody takes them; then the sender has to wait. */
const heldBytesMax = 1024 * 1024;

export type Answer = { status: number; body: AsyncIterable<Uint8Array> };

/** The request as bytes. @throws CommandError for a key with a line end in it: it would make a header of its own. */
function requestBytes(origin: Origin, request: ApiRequest): { method: string; head: string; body: Uint8Array[] } {
  const { method, path, key, json } = request;
  const body = json === undefined ? [] : [new TextEncoder().encode(JSON.stringify(json))];
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${hostHeader(origin)}`, 'accept: */*'];
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new CommandError('the API key holds a blank, a line end or a character that no key has', { exitCode: 2 });
  }
  if (key !== undefined) lines.push(`authorization: Bearer ${key}`);
  if (body[0] !== undefined) lines.push('content-type: application/json');
  if (method !== 'GET') lines.push(`content-length: ${body[0]?.length ?? 0}`);
  return { method, head: `${lines.join('\r\n')}\r\n\r\n`, body };
}

/** Bytes on their way from callbacks to a reader, with backpressure. */
class Pipe {
  call: HttpCall | undefined;
  #parts: Uint8Array[] = [];
  #held = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  push(bytes: Uint8Array): void {
    // The pool's buffer is its own again after the callback.
    this.#parts.push(Uint8Array.from(bytes));
    this.#held += bytes.length;
    if (this.#held > heldBytesMax) this.call?.pause();
    this.#wake();
  }
  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }
  async *read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const part = this.#parts.shift();
        if (part !== undefined) {
          this.#held -= part.length;
          if (this.#held === 0) this.call?.resume();
          yield part;
        } else if (this.#ended) {
          if (this.#error !== undefined) throw this.#error;
          return;
        } else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.call?.abort();
    }
  }
}

/** Sends a request and gives its answer when the head is there. @throws AnswerError, or the signal's reason. */
export function askApi(pool: HttpPool, origin: Origin, request: ApiRequest, signal?: AbortSignal): Promise<Answer> {
  signal?.throwIfAborted();
  const pipe = new Pipe();
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      reject(error);
      pipe.end(error);
    };
    const onAbort = () => {
      pipe.call?.abort();
      fail(signal?.reason as Error);
    };
    const done = () => signal?.removeEventListener('abort', onAbort);
    signal?.addEventListener('abort', onAbort, { once: true });
    pipe.call = pool.send(origin, requestBytes(origin, request), {
      onHead: (head) => resolve({ status: head.status, body: pipe.read() }),
      onData: (bytes) => pipe.push(bytes),
      onEnd: () => {
        done();
        pipe.end();
      },
      onFailure: (failure) => {
        done();
        fail(new AnswerError(failure));
      },
    });
  });
}

/** Largest answer that is read whole, bytes. */
const wholeBytesMax = 16 * 1024 * 1024;

/** The whole body as text. @throws AnswerError when it is too large. */
export async function readText(answer: Answer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const part of answer.body) {
    size += part.length;
    if (size > wholeBytesMax) throw new AnswerError({ reason: 'invalid', detail: 'the answer is too large' });
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}
