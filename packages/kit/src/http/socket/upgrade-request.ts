import { createHash } from 'node:crypto';
import { ApiError } from '@labmesh/wire/errors';
import type { Exchange } from '../exchange.ts';

/** RFC 6455 §1.3. */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** 16 bytes. */
const keyForm = /^[A-Za-z0-9+/]{22}==$/;

const lists = (value: string | undefined, word: string) =>
  value?.split(',').some((one) => one.trim().toLowerCase() === word) ?? false;

/** What a request to open a WebSocket is answered with (Sec-WebSocket-Accept). @throws ApiError bad_request when it is none */
export function acceptUpgrade(exchange: Pick<Exchange, 'method' | 'header'>): string {
  const key = exchange.header('sec-websocket-key') ?? '';
  const isAsked =
    exchange.method === 'GET' &&
    lists(exchange.header('connection'), 'upgrade') &&
    lists(exchange.header('upgrade'), 'websocket');
  if (!isAsked) throw new ApiError('bad_request', { message: 'this route takes WebSockets (Upgrade: websocket)' });
  if (exchange.header('sec-websocket-version') !== '13' || !keyForm.test(key)) {
    throw new ApiError('bad_request', { message: 'this route takes WebSockets of version 13' });
  }
  return createHash('sha1').update(`${key}${guid}`).digest('base64');
}
