/**
 * A slug is the opaque name of (tenant, endpoint, model id): 64 bits of a hash, in base 62.
 *
 *     tenant ⏎ endpoint ⏎ model → SHA-256 → first 8 bytes, big-endian → base 62, 1–11 characters
 *
 * A classic slug can be turned back into a private address by trying them all; a sealed one (HMAC with a key that
 * only the node has) can not. Runs on WebCrypto, so a browser can compute it too. Source: network plane 2.5.
 */
import { base62 } from './base62.ts';

const utf8 = new TextEncoder();
/** Keeps a sealed slug apart from any other use of the same key. */
const sealedContext = 'labmesh slug v1\n';
export const slugKeyBytes = 32;

/** The endpoint part of a slug: the base URL as configured, without its scheme; port, path and last slash stay. */
export function endpointSlug(baseUrl: string): string {
  return baseUrl
    .trim()
    .replace(/^http:\/\//, '')
    .replace(/^https:\/\//, '');
}

const subject = (tenant: string, baseUrl: string, modelId: string) => `${tenant}\n${endpointSlug(baseUrl)}\n${modelId}`;

const first64Bits = (hash: ArrayBuffer) => base62(new DataView(hash).getBigUint64(0));

/** The slug of classic labman. `baseUrl` may be an endpoint slug already. */
export async function classicSlug(tenant: string, baseUrl: string, modelId: string): Promise<string> {
  return first64Bits(await crypto.subtle.digest('SHA-256', utf8.encode(subject(tenant, baseUrl, modelId))));
}

/** The default slug. `key`: the node's 32 secret bytes; losing them changes every slug of the node. */
export async function sealedSlug(
  key: Uint8Array<ArrayBuffer>,
  tenant: string,
  baseUrl: string,
  modelId: string,
): Promise<string> {
  if (key.length !== slugKeyBytes) throw new RangeError(`a slug key has ${slugKeyBytes} bytes`);
  const hmac = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return first64Bits(
    await crypto.subtle.sign('HMAC', hmac, utf8.encode(sealedContext + subject(tenant, baseUrl, modelId))),
  );
}
