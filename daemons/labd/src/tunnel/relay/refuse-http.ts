/** Tells an HTTP client why its connection leads nowhere, in the form of a node's own errors (network plane X12). */
import type { Socket } from 'node:net';
import { type ApiError, openaiErrorBody } from '@labmesh/wire/errors';

/** A client that says nothing has nothing to be told. */
const askMs = 10_000;
/** For what it still sends: closing on unread bytes would take the answer away from it. */
const drainMs = 2_000;

function answerOf(error: ApiError): string {
  const body = JSON.stringify(openaiErrorBody(error));
  const retry = error.retryAfterS === undefined ? [] : [`retry-after: ${error.retryAfterS}`];
  const head = [
    `HTTP/1.1 ${error.status} ${error.status === 429 ? 'Too Many Requests' : 'Service Unavailable'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...retry,
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** Answers the first bytes that come, reads on and forgets what follows, and is gone within 12 s. */
export function refuseHttp(socket: Socket, error: ApiError): void {
  let timer = setTimeout(() => socket.destroy(), askMs);
  socket.once('close', () => clearTimeout(timer));
  socket.once('data', () => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.destroy(), drainMs);
    socket.on('data', () => {});
    socket.end(answerOf(error));
  });
  socket.once('end', () => socket.end());
  socket.resume();
}
