/**
 * The arena's identity at the gateway (verification RP2, gateway G-31): a secret of this run, or of a file that both
 * read. A call with it is never verified again, and what it uses is booked to the key it is made for.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Exchange } from '@labmesh/kit/http/exchange';
import { OptionsError } from '@labmesh/kit/options';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { ApiError } from '@labmesh/wire/errors';
import { keyHeader, tenantHeader } from '@labmesh/wire/verification/arena-run';
import { defaultTenant, type Key, type KeyStore } from './key-store.ts';

/** Name that usage is booked under where there are no keys. */
export const openKeyId = 'open';

/** 43 characters are 256 bits in base64url. */
const form = /^[\x21-\x7e]{32,200}$/;

/** The secret: read from the file, made there when it is not, or of this run. @throws OptionsError for a damaged file */
export function openInternalToken(file: string | undefined): string {
  const made = `lmi_${randomBytes(32).toString('base64url')}`;
  if (file === undefined) return made;
  const text = readPrivateFile(file)?.trim();
  if (text === undefined) {
    writePrivateFile(file, `${made}\n`);
    return made;
  }
  if (form.test(text) && !text.startsWith('lmk_')) return text;
  throw new OptionsError(
    { source: file, key: 'gateway.internal_key_file', exitCode: 3 },
    'expected one line of 32 to 200 characters that is no API key; remove the file to have one made',
  );
}

/** In constant time. */
export function isInternalToken(secret: string, token: string): boolean {
  // The length is no secret: it saves API keys the comparison.
  if (secret.length !== token.length) return false;
  const [given, expected] = [Buffer.from(secret), Buffer.from(token)];
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/**
 * For whom the arena calls. A key that was revoked meanwhile pays for nothing more, and a tenant that is not the key's
 * own is a fault of the arena's. @throws ApiError insufficient_scope
 */
export function internalOrigin(
  exchange: Exchange,
  keys: KeyStore,
  openAccess: boolean,
): { tenant: string; keyId: string; key: Key | undefined } {
  const keyId = exchange.header(keyHeader);
  const tenant = exchange.header(tenantHeader);
  const refuse = (what: string) => new ApiError('insufficient_scope', { message: `this internal call ${what}` });
  if (keyId === undefined || tenant === undefined) throw refuse(`lacks ${tenantHeader} or ${keyHeader}`);
  if (openAccess && keyId === openKeyId) {
    if (tenant !== defaultTenant) throw refuse('names a tenant that there is not');
    return { tenant, keyId, key: undefined };
  }
  const key = keys.find(keyId);
  if (key === undefined || key.tenant !== tenant) throw refuse('names a key that is not active in its tenant');
  return { tenant, keyId, key };
}
