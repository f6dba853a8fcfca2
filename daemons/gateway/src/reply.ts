import type { Exchange } from '@labmesh/kit/http/exchange';
import { type ApiError, openaiErrorBody } from '@labmesh/wire/errors';

/*
 * Small answers that are made here and not relayed. Each carries the request id, so that a user can name the one that
 * went wrong.
 */

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

/** An error in OpenAI's form. Does nothing when an answer has begun or the client is gone. */
export function replyError(exchange: Exchange, requestId: string, error: ApiError): void {
  if (exchange.started || exchange.aborted) return;
  const headers: Array<readonly [string, string]> = [
    ['content-type', 'application/json'],
    ['x-request-id', requestId],
  ];
  if (error.retryAfterS !== undefined) headers.push(['retry-after', String(Math.ceil(error.retryAfterS))]);
  if (error.status === 401) headers.push(['www-authenticate', 'Bearer']);
  exchange.reply(error.status, headers, JSON.stringify(openaiErrorBody(error, requestId)));
}
