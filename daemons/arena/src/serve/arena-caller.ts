/**
 * Who asks: the gateway has checked the key and says whose it is. The socket is its owner's alone, so what stands in these
 * headers is the gateway's word; without a tenant nothing is answered (verification P6).
 */
import {
  keyHeader,
  priorityMostHeader,
  type RunOffer,
  tenantHeader,
  variationsMostHeader,
} from '@labmesh/wire/verification/arena-run';
import { lowerPriority, priorityField, usualPriority } from '@labmesh/wire/verification/priority';
import { verificationLimits } from '@labmesh/wire/verification/verification-block';
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

/**
 * An offer held to the rights of the key that asks (RP8, gateway G-20): its class to the highest that the key may ask for,
 * its variations to the key's own bound. Rights that are not told, or that this version does not know, are the usual ones.
 */
export function withinRights(c: Context, { variationsMost: _, ...offer }: RunOffer): RunOffer {
  const most = priorityField.catch(usualPriority).parse(c.req.header(priorityMostHeader));
  const priority = lowerPriority(offer.block.priority ?? usualPriority, most);
  const variations = c.req.header(variationsMostHeader) ?? '';
  const ownMost = /^\d{1,2}$/.test(variations) ? Math.min(Number(variations), verificationLimits.variationsMost) : 0;
  return { ...offer, block: { ...offer.block, priority }, ...(ownMost > 0 && { variationsMost: ownMost }) };
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
