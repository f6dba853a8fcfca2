import type { Exchange } from '@labmesh/kit/http/exchange';
import { type ApiError, openaiErrorBody } from '@labmesh/wire/errors';

/*
 * Small answers that are made here and not relayed. Each carries the request id, so that a user can name the one that
 * went wrong.
 */

type Header = readonly [name: string, value: string];

/** A JSON answer with our request id. */
export function replyJson(exchange: Exchange, status: number, requestId: string, value: unknown): void {
  exchange.reply(
    status,
    [
      ['content-type', 'application/json'],
      ['x-request-id', requestId],
    ],
    JSON.stringify(value),
  );
}

/** An error in OpenAI's form, `more` beside it. Does nothing when an answer has begun or the client is gone. */
export function replyError(
  exchange: Exchange,
  requestId: string,
  error: ApiError,
  more: { headers: readonly Header[]; body: object } = { headers: [], body: {} },
): void {
  if (exchange.started || exchange.aborted) return;
  const headers: Header[] = [['content-type', 'application/json'], ['x-request-id', requestId], ...more.headers];
  if (error.retryAfterS !== undefined) headers.push(['retry-after', String(Math.ceil(error.retryAfterS))]);
  if (error.status === 401) headers.push(['www-authenticate', 'Bearer']);
  exchange.reply(error.status, headers, JSON.stringify({ ...openaiErrorBody(error, requestId), ...more.body }));
}
