/**
 * Who asks: the gateway has checked the key and says whose it is. The socket is its owner's alone, so what stands in these
 * headers is the gateway's word; without a tenant nothing is answered (verification P6).
 */
import { keyHeader, tenantHeader } from '@labmesh/wire/verification/arena-run';
import type { Context } from 'hono';
import { ArenaRefused } from './arena-refused.ts';

const named = /^[\x21-\x7e]{1,200}$/;

/** @throws ArenaRefused TENANT_MISSING */
export function tenantOf(c: Context): string {
  const tenant = c.req.header(tenantHeader);
  if (tenant === undefined || !named.test(tenant)) {
    throw new ArenaRefused('TENANT_MISSING', 'no tenant: the arena is asked through the gateway, with an API key');
  }
  return tenant;
}

/** An id in a path: what cannot be one is not there (PostgreSQL takes no NUL). @throws ArenaRefused NOT_FOUND */
export function idOf(c: Context, what: string): string {
  const id = c.req.param('id');
  if (id === undefined || !named.test(id)) throw new ArenaRefused('NOT_FOUND', `there is no ${what} with this id`);
  return id;
}

/** Id of the key that asks. */
export function keyOf(c: Context): string {
  const key = c.req.header(keyHeader);
  return key !== undefined && named.test(key) ? key : 'unknown';
}

/** `?limit=&offset=`: 20 and 0 unless told, at most 200. @throws ArenaRefused VALIDATION_FAILED */
export function pageOf(c: Context): { limit: number; offset: number } {
  const read = (name: string, usual: number, most: number) => {
    const text = c.req.query(name);
    if (text === undefined) return usual;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (value < 0 || value > most) throw new ArenaRefused('VALIDATION_FAILED', `${name}: is 0 to ${most}`, name);
    return value;
  };
  return { limit: read('limit', 20, 200), offset: read('offset', 0, 999_999_999) };
}
