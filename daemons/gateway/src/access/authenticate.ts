import { timingSafeEqual } from 'node:crypto';
import type { AdmissionTurn } from '@labmesh/inference/choose/admission';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { guardLoopback } from '@labmesh/kit/http/loopback-guard';
import { ApiError } from '@labmesh/wire/errors';
import {
  lowerPriority,
  type Priority,
  priorityField,
  priorityHeader,
  priorityRank,
  usualPriority,
} from '@labmesh/wire/verification/priority';
import { internalOrigin, isInternalToken, openKeyId } from './internal-key.ts';
import { operatorRights, rightsOf } from './key-rights.ts';
import { defaultTenant, type Key, type KeyStore } from './key-store.ts';

/** Who asks. `open` is anybody on loopback while keys are switched off; `internal` the arena, for the key it names. */
export type Identity =
  | { type: 'key'; key: Key }
  | { type: 'open' }
  | { type: 'internal'; tenant: string; keyId: string; key: Key | undefined };

/** What identities are known by. */
export type Access = { keys: KeyStore; openAccess: boolean; internalToken: string };

/** The name under which usage is booked. */
export const keyIdOf = (identity: Identity): string =>
  identity.type === 'key' ? identity.key.id : identity.type === 'internal' ? identity.keyId : openKeyId;
export const tenantOf = (identity: Identity): string =>
  identity.type === 'key' ? identity.key.tenant : identity.type === 'internal' ? identity.tenant : defaultTenant;
/** The arena has the rights of the key it calls for where names of models are concerned. */
export const mayUseSlugs = (identity: Identity): boolean =>
  identity.type === 'open' || (identity.key?.scopes.includes('slugs') ?? true);

/** The class that a request asks for. Another word than a class asks for nothing. */
export const askedPriority = (exchange: Exchange): Priority | undefined =>
  priorityField.optional().catch(undefined).parse(exchange.header(priorityHeader));

/**
 * Whose turn a request is where it must wait for an engine (G-20): its tenant's, in the class that it asks for, held to the
 * class of its key.
 */
export function turnOf(identity: Identity, exchange: Exchange): AdmissionTurn {
  const wanted = askedPriority(exchange) ?? usualPriority;
  const { priorityMost } = identity.type === 'open' ? operatorRights : rightsOf(identity.key);
  return { group: tenantOf(identity), priority: priorityRank(lowerPriority(wanted, priorityMost)) };
}

/*
 * Bearer or X-Api-Key, as clients of OpenAI and Anthropic send them. All ways to be wrong give one and the same answer, so
 * that nobody learns which keys exist; hashes are compared in constant time (KeyStore.check).
 */

function bearerToken(exchange: Exchange): string | undefined {
  const authorization = exchange.header('authorization');
  return authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined;
}

/** The secret a request carries. Throws invalid_api_key when two different ones are sent. */
function presentedSecret(exchange: Exchange): string | undefined {
  const bearer = bearerToken(exchange);
  const apiKey = exchange.header('x-api-key')?.trim();
  if (bearer !== undefined && apiKey !== undefined && bearer !== apiKey) {
    throw new ApiError('invalid_api_key', {
      message: 'Authorization and X-Api-Key carry different keys; send one of them',
    });
  }
  return bearer ?? apiKey;
}

/** Identity of a request on the API. Throws invalid_api_key: missing, garbage, unknown and revoked keys read alike. */
export function authenticate(exchange: Exchange, access: Access): Identity {
  const { keys, openAccess, internalToken } = access;
  // Without keys nothing that a client sends is looked at, as every client sends something.
  const secret = openAccess ? bearerToken(exchange) : presentedSecret(exchange);
  if (secret !== undefined && isInternalToken(secret, internalToken))
    return { type: 'internal', ...internalOrigin(exchange, keys, openAccess) };
  if (openAccess) {
    refuseBrowserPages(exchange);
    return { type: 'open' };
  }
  const key = secret === undefined ? undefined : keys.check(secret);
  if (key === undefined) throw new ApiError('invalid_api_key');
  return { type: 'key', key };
}

/** Without a key a page of another origin, or one that rebinds its name, could use us. Throws origin_refused. */
export function refuseBrowserPages(exchange: Exchange): void {
  const refusal = guardLoopback(exchange);
  if (refusal !== undefined) throw refusal;
}

/** What the arena may ask for: it generates, within the rights of the key it calls for, and goes through no door of its tenants. */
const internalScopes = new Set(['chat', 'completions', 'embeddings', 'models']);

/** Throws insufficient_scope. */
export function requireScope(identity: Identity, scope: string): void {
  if (identity.type === 'open') return;
  const own = identity.key?.scopes.includes(scope) ?? true;
  if (own && (identity.type === 'key' || internalScopes.has(scope))) return;
  throw new ApiError('insufficient_scope', { message: `this API key lacks the scope '${scope}'` });
}

/** The right to say how answers are verified and to forget verified ones (verification RP8); no key has it unasked. */
const operateScope = 'arena:operate';

/** The token of this run, or a key with that right: gives its id. Throws invalid_api_key, insufficient_scope. */
export function requireOperator(exchange: Exchange, adminToken: string, keys: KeyStore): string | undefined {
  const secret = presentedSecret(exchange);
  if (secret !== undefined && isSecret(secret, adminToken)) return undefined;
  const key = secret === undefined ? undefined : keys.check(secret);
  if (key === undefined) throw new ApiError('invalid_api_key');
  requireScope({ type: 'key', key }, operateScope);
  return key.id;
}

const isSecret = (given: string, expected: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
};

/** Admin calls carry the token of this run, which only the owner of the data folder can read. */
export function requireAdmin(exchange: Exchange, adminToken: string): void {
  if (isSecret(presentedSecret(exchange) ?? '', adminToken)) return;
  throw new ApiError('invalid_api_key', {
    message: 'admin routes take the admin token of this run; use labctl on the same data folder',
  });
}
