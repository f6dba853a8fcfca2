/**
 * One POST to an MCP server (streamable HTTP) and its answer, as JSON or as a stream of events that is read up to the
 * response: servers may keep it open afterwards. Only the configured address is spoken to: a redirect is a refusal, no
 * proxy variable is obeyed, and bytes and time have bounds.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { ClientFailure, HttpPool, Origin, ResponseSink } from '@labmesh/kit/http/client';
import { hostHeader } from '@labmesh/kit/http/fetch-whole';
import { cleanHeaderValue, headerValue, type ResponseHead } from '@labmesh/kit/http/head';
import { EventLines } from '../chat-stream.ts';
import { McpFault } from './mcp-fault.ts';
import { type McpMessage, readMessages } from './mcp-message.ts';

/** Of one answer, notifications on the way included. */
export const answerBytesMost = 1024 * 1024;

export type McpPlace = { pool: HttpPool; origin: Origin; /** With its query. */ path: string };
export type McpPost = {
  /** POST, or DELETE to give a session back. */
  method?: 'POST' | 'DELETE';
  headers: readonly (readonly [string, string])[];
  body: unknown;
  /** Of the request; null for a notification, whose answer is a status. */
  id: number | null;
  timeoutMs: number;
  signal: AbortSignal;
  /** A request of the server's own on the way to its answer. */
  onRequest: (request: { id: string | number; method: string }) => void;
};
export type McpReply = {
  message: Extract<McpMessage, { result: unknown } | { error: unknown }> | undefined;
  sessionId: string | undefined;
};

type Settle = (end: McpReply | McpFault) => void;

class ReplySink implements ResponseSink {
  readonly #post: McpPost;
  readonly #settle: Settle;
  readonly #decoder = new TextDecoder();
  readonly #lines = new EventLines();
  #sessionId: string | undefined;
  #isStream = false;
  #text = '';
  #bytes = 0;

  constructor(post: McpPost, settle: Settle) {
    this.#post = post;
    this.#settle = settle;
  }

  onHead(head: ResponseHead): void {
    const { status } = head;
    this.#sessionId = headerValue(head.headers, 'mcp-session-id');
    if (status < 200 || status >= 300) return this.#settle(statusFault(status));
    if (this.#post.id === null) return this.#settle({ message: undefined, sessionId: this.#sessionId });
    const type = headerValue(head.headers, 'content-type') ?? '';
    this.#isStream = /^text\/event-stream\b/i.test(type);
    if (!this.#isStream && !/^application\/json\b/i.test(type)) {
      this.#settle(new McpFault('bad_answer', "the server's answer is neither JSON nor a stream of events"));
    }
  }

  onData(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > answerBytesMost) {
      return this.#settle(new McpFault('too_large', `the server's answer is larger than ${answerBytesMost} bytes`));
    }
    const text = this.#decoder.decode(bytes, { stream: true });
    if (!this.#isStream) {
      this.#text += text;
      return;
    }
    this.#reading(() => {
      for (const data of this.#lines.push(text)) this.#take(data);
    });
  }

  onEnd(): void {
    this.#reading(() => {
      const rest = this.#isStream ? this.#lines.rest() : this.#text;
      if (rest !== undefined && rest !== '') this.#take(rest);
    });
    // No word about what was said before has come if nothing of this settled it.
    this.#settle(new McpFault('bad_answer', 'the server ended its answer without a response'));
  }

  onFailure({ reason }: ClientFailure): void {
    this.#settle(failureFault(reason));
  }

  #take(text: string): void {
    // Events that only keep the stream alive have no data.
    if (text.trim() === '') return;
    for (const message of readMessages(text)) {
      if ('method' in message) {
        if (message.id !== undefined) this.#post.onRequest({ id: message.id, method: message.method });
      } else if (message.id === this.#post.id) this.#settle({ message, sessionId: this.#sessionId });
      // An error without an id is about what was sent last, and that was this request.
      else if ('error' in message && (message.id ?? null) === null) {
        this.#settle({ message, sessionId: this.#sessionId });
      }
    }
  }

  #reading(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (error instanceof BoundPassed) this.#settle(new McpFault('too_large', 'an event of the server is too large'));
      else if (error instanceof McpFault) this.#settle(error);
      else throw error;
    }
  }
}

/** Only a connection that was never made says that the server is away: what ends one later may be what was asked. */
function failureFault(reason: ClientFailure['reason']): McpFault {
  if (reason === 'connect') return new McpFault('unreachable', 'the server cannot be reached');
  if (reason === 'timeout') return new McpFault('timeout', 'the server did not answer in time');
  return new McpFault(
    'bad_answer',
    reason === 'reset' ? 'the server closed the connection without a response' : 'the server speaks no HTTP',
  );
}

function statusFault(status: number): McpFault {
  if (status >= 300 && status < 400)
    return new McpFault('refused', 'the server points elsewhere, which is not followed');
  if (status === 404) return new McpFault('session_gone', 'the server knows no such session or address (status 404)');
  // Servers that say it to a session of before their restart are many.
  if (status === 400) return new McpFault('bad_request', 'the server refused the request (status 400)');
  if (status === 401 || status === 403)
    return new McpFault('refused', `the server wants another secret (status ${status})`);
  return new McpFault('refused', `the server refused the request (status ${status})`);
}

function headOf({ origin, path }: McpPlace, { headers, method = 'POST' }: McpPost, length: number): string {
  const all = [
    ['host', hostHeader(origin)],
    ['content-type', 'application/json'],
    ['content-length', String(length)],
    ['accept', 'application/json, text/event-stream'],
    ['accept-encoding', 'identity'],
    // A connection that is used again is asked a second time where it was closed meanwhile: no tool may be called twice.
    ['connection', 'close'],
    ...headers,
  ] as const;
  const lines = all.map(([name, value]) => `${name}: ${cleanHeaderValue(value)}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** @throws McpFault; the signal's reason */
export function mcpExchange(place: McpPlace, post: McpPost): Promise<McpReply> {
  const { pool, origin } = place;
  const { signal, timeoutMs } = post;
  signal.throwIfAborted();
  const body = Buffer.from(JSON.stringify(post.body));
  return new Promise((resolve, reject) => {
    let open = true;
    const settle = (end: McpReply | Error) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      call.abort();
      if (end instanceof Error) reject(end);
      else resolve(end);
    };
    const onAbort = () => settle(signal.reason as Error);
    const late = () => settle(new McpFault('timeout', `the server did not answer within ${timeoutMs / 1000} s`));
    const timer = setTimeout(late, timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    const head = headOf(place, post, body.length);
    const request = { method: post.method ?? 'POST', head, body: [body], connectMs: timeoutMs };
    const call = pool.send(origin, request, new ReplySink(post, settle));
  });
}
