import { timingSafeEqual } from 'node:crypto';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { guardLoopback } from '@labmesh/kit/http/loopback-guard';
import { ApiError } from '@labmesh/wire/errors';
import type { Key, KeyStore } from './key-store.ts';

/** Who asks. `open` is anybody on loopback while keys are switched off. */
export type Identity = { type: 'key'; key: Key } | { type: 'open' };

/*
 * Bearer or X-Api-Key, as clients of OpenAI and Anthropic send them. All ways to be wrong give one and the same answer, so
 * that nobody learns which keys exist; hashes are compared in constant time (KeyStore.check).
 */

/** The secret a request carries. Throws invalid_api_key when two different ones are sent. */
function presentedSecret(exchange: Exchange): string | undefined {
  const authorization = exchange.header('authorization');
  const bearer =
    authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined;
  const apiKey = exchange.header('x-api-key')?.trim();
  if (bearer !== undefined && apiKey !== undefined && bearer !== apiKey) {
    throw new ApiError('invalid_api_key', {
      message: 'Authorization and X-Api-Key carry different keys; send one of them',
    });
  }
  return bearer ?? apiKey;
}

/** Identity of a request on the API. Throws invalid_api_key: missing, garbage, unknown and revoked keys read alike. */
export function authenticate(exchange: Exchange, keys: KeyStore, openAccess: boolean): Identity {
  if (openAccess) {
    refuseBrowserPages(exchange);
    return { type: 'open' };
  }
  const secret = presentedSecret(exchange);
  const key = secret === undefined ? undefined : keys.check(secret);
  if (key === undefined) throw new ApiError('invalid_api_key');
  return { type: 'key', key };
}

/** Without a key a page of another origin, or one that rebinds its name, could use us. Throws origin_refused. */
export function refuseBrowserPages(exchange: Exchange): void {
  const refusal = guardLoopback(exchange);
  if (refusal !== undefined) throw refusal;
}

/** Throws insufficient_scope. */
export function requireScope(identity: Identity, scope: string): void {
  if (identity.type === 'open' || identity.key.scopes.includes(scope)) return;
  throw new ApiError('insufficient_scope', { message: `this API key lacks the scope '${scope}'` });
}

/** Admin calls carry the token of this run, which only the owner of the data folder can read. */
export function requireAdmin(exchange: Exchange, adminToken: string): void {
  const secret = Buffer.from(presentedSecret(exchange) ?? '');
  const expected = Buffer.from(adminToken);
  if (secret.length === expected.length && timingSafeEqual(secret, expected)) return;
  throw new ApiError('invalid_api_key', {
    message: 'admin routes take the admin token of this run; use labctl on the same data folder',
  });
}
