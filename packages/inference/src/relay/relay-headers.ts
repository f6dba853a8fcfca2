import { hostHeader } from '@labmesh/kit/http/fetch-whole';
import { cleanHeaderValue, type HeaderList } from '@labmesh/kit/http/head';
import type { Endpoint } from '../registry/endpoint.ts';

const forwarded = new Set(['traceparent', 'tracestate', 'user-agent', 'idempotency-key']);
const forwardedPrefixes = ['anthropic-', 'x-claude-code-', 'openai-'];

const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
];
const dropped = new Set([
  ...hopByHop,
  'set-cookie',
  'server',
  'via',
  'date',
  'location',
  'x-powered-by',
  'alt-svc',
  'x-request-id',
]);

/** Headers of the client that the engine may see. */
export function isForwarded(name: string): boolean {
  return forwarded.has(name) || forwardedPrefixes.some((prefix) => name.startsWith(prefix));
}

/** Headers of the engine that the client may see. */
export const isReturned = (name: string): boolean => !dropped.has(name) && !name.startsWith('access-control-');

/** The same for a node's tunnel: nothing that could tell about the site. */
export const isReturnedByNode = (name: string): boolean =>
  name === 'content-type' || name === 'cache-control' || name === 'retry-after';

const cutLines = (value: string) => cleanHeaderValue(value);

const ownByConfig = new WeakMap<Record<string, string>, ReadonlyMap<string, string>>();

/** The operator's headers by lower-case name: they win over the client's. */
function ownHeaders(config: Record<string, string>): ReadonlyMap<string, string> {
  let own = ownByConfig.get(config);
  if (own === undefined) {
    own = new Map(Object.entries(config).map(([name, value]) => [name.toLowerCase(), value]));
    ownByConfig.set(config, own);
  }
  return own;
}

/** Request line and headers towards an endpoint, the empty line included. */
export function upstreamHead(
  endpoint: Endpoint,
  request: {
    path: string;
    query: string;
    requestId: string;
    length: number;
    stream: boolean;
    headers: Iterable<readonly [string, string]>;
  },
): string {
  const { target, spec } = endpoint;
  const query = request.query === '' ? '' : `?${request.query}`;
  let head = `POST ${target.prefix}${request.path}${query} HTTP/1.1\r\nhost: ${hostHeader(target)}\r\n`;
  head += `content-type: application/json\r\ncontent-length: ${request.length}\r\n`;
  head += `accept: ${request.stream ? 'text/event-stream, ' : ''}application/json\r\naccept-encoding: identity\r\n`;
  head += `x-request-id: ${request.requestId}\r\n`;
  if (spec.apiKey !== undefined) head += `authorization: Bearer ${cutLines(spec.apiKey)}\r\n`;
  const own = ownHeaders(spec.headers);
  for (const [name, value] of request.headers) {
    if (isForwarded(name) && !own.has(name)) head += `${name}: ${cutLines(value)}\r\n`;
  }
  for (const [name, value] of own) head += `${name}: ${cutLines(value)}\r\n`;
  return `${head}\r\n`;
}

/** The engine's headers that go on, with ours after them. */
export function answerHeaders(
  headers: HeaderList,
  keep: (name: string) => boolean,
  ours: HeaderList,
): Array<readonly [string, string]> {
  const out: Array<readonly [string, string]> = [];
  for (const header of headers) if (keep(header[0])) out.push(header);
  for (const header of ours) out.push(header);
  return out;
}
