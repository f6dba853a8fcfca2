/**
 * Which engine answered, told to the arena alone: it looks once at each whether it honours sampling seeds (verification AR2),
 * and may do so unasked only where nobody is paid. Elsewhere names and versions of endpoints are the operator's.
 */
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { RelayRequest } from '@labmesh/inference/relay/relay-request';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { isLoopback, isPrivate } from '@labmesh/kit/http/listen-address';
import { readRouting, routingHeader } from '@labmesh/wire/routing';
import { engineHeader, readEngineMark } from '@labmesh/wire/verification/arena-run';
import type { Identity } from '../access/authenticate.ts';
import type { Resolved } from '../resolve.ts';

/** Names that no public resolver answers: a plain one, and those set apart for networks of one's own. */
const ownName = /^(?:[a-z0-9_-]+|.+\.(?:local|lan|internal|home\.arpa|ts\.net))\.?$/i;
/** Addresses of a tailnet (RFC 6598). */
const tailnet = /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\.\d{1,3}$/;
const isAddress = /^[\d.]+$|:/;

const isNear = (host: string): boolean =>
  isLoopback(host) || isPrivate(host) || tailnet.test(host) || (!isAddress.test(host) && ownName.test(host));

/**
 * A machine of the operator's: an engine whose kind is known, at an address of one's own. What only speaks the API of OpenAI
 * may be a proxy, and who is paid behind it nobody knows.
 */
export const isOwn = ({ spec, kind, target }: Pick<Endpoint, 'spec' | 'kind' | 'target'>): boolean =>
  spec.origin === 'builtin' || (kind !== 'openai' && isNear(target.host));

/** The same for as long as endpoint, kind, version and model are. @param model as the engine calls it */
export function engineMark(endpoint: Endpoint, model: string): string {
  const { spec, kind, version = '' } = endpoint;
  const digest = new Bun.CryptoHasher('sha256').update(JSON.stringify([spec.name, spec.baseUrl, kind, version, model]));
  return `${isOwn(endpoint) ? 'own' : 'other'}-${digest.digest('hex').slice(0, 32)}`;
}

/** What the relay is to do otherwise for the arena: tell the engine, and choose as it says, and take none but the one that it names. */
export function forArena(
  identity: Identity,
  exchange: Exchange,
  { model, candidates }: Resolved,
): Partial<Pick<RelayRequest, 'candidates' | 'queue' | 'mark' | 'routing'>> {
  if (identity.type !== 'internal') return {};
  const mark = (endpoint: Endpoint) => [engineHeader, engineMark(endpoint, model)] as const;
  const wanted = readEngineMark(exchange.header(engineHeader));
  if (wanted === undefined) return { mark, routing: readRouting(exchange.header(routingHeader)) };
  // A line of its own: who waits for one engine is not served by another.
  return { mark, queue: wanted, candidates: () => candidates().filter((one) => engineMark(one, model) === wanted) };
}
