import { type ClientFailure, type HttpPool, type Origin } from './client.ts';
import { headerValue, type ResponseHead } from './head.ts';

export type WholeRequest = {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  timeoutMs: number;
  bytesMax: number;
  /** Closes the connection; the answer rejects with its reason. */
  signal?: AbortSignal | undefined;
};
export type WholeAnswer = { status: number; header(name: string): string | undefined; body: Uint8Array };

const codes = {
  connect: 'ECONNREFUSED',
  reset: 'ECONNRESET',
  timeout: 'ETIMEDOUT',
  invalid: 'INVALID',
  too_large: 'BODY_TOO_LARGE',
} as const;

/** What went wrong on the way; `code` tells a refused connection from others. */
export class FetchError extends Error {
  readonly code: string;
  constructor(failure: { reason: ClientFailure['reason'] | 'too_large'; detail: string }) {
    super(failure.detail);
    this.name = 'FetchError';
    this.code = codes[failure.reason];
  }
}

/** The value of a Host header. */
export const hostHeader = (origin: Origin): string => {
  const host = origin.host.includes(':') ? `[${origin.host}]` : origin.host;
  return origin.port === (origin.tls ? 443 : 80) ? host : `${host}:${origin.port}`;
};

/** One small request and its whole answer: for probes and lists, not for relaying. Rejects with FetchError. */
export function fetchWhole(pool: HttpPool, origin: Origin, request: WholeRequest): Promise<WholeAnswer> {
  const method = request.method ?? 'GET';
  let head = `${method} ${request.path} HTTP/1.1\r\nhost: ${hostHeader(origin)}\r\naccept: */*\r\naccept-encoding: identity\r\n`;
  for (const [name, value] of Object.entries(request.headers ?? {})) head += `${name}: ${value}\r\n`;
  if (request.body !== undefined || method !== 'GET') head += `content-length: ${request.body?.length ?? 0}\r\n`;
  head += '\r\n';
  const { signal } = request;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    let answerHead: ResponseHead | undefined;
    const parts: Uint8Array[] = [];
    let size = 0;
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const giveUp = (error: Error) => {
      call.abort();
      settle();
      reject(error);
    };
    const onAbort = () => giveUp(signal?.reason as Error);
    const late = () =>
      giveUp(new FetchError({ reason: 'timeout', detail: `no answer within ${request.timeoutMs} ms` }));
    const timer = setTimeout(late, request.timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    const call = pool.send(
      origin,
      { method, head, body: request.body === undefined ? [] : [request.body], connectMs: request.timeoutMs },
      {
        onHead: (found) => (answerHead = found),
        onData: (bytes) => {
          size += bytes.length;
          const detail = `the answer is larger than ${request.bytesMax} bytes`;
          if (size > request.bytesMax) giveUp(new FetchError({ reason: 'too_large', detail }));
          else parts.push(bytes);
        },
        onEnd: () => {
          settle();
          const found = answerHead as ResponseHead;
          resolve({
            status: found.status,
            header: (name) => headerValue(found.headers, name),
            body: Buffer.concat(parts),
          });
        },
        onFailure: (failure) => {
          settle();
          reject(new FetchError(failure));
        },
      },
    );
  });
}
