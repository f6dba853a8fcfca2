/** Errors between threads: a copied FleetError would be a plain Error, without its row in the table. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { CarriedError } from './thread-messages.ts';

/** What nobody foresaw is INTERNAL; its own words are for the log. */
export function carryError(error: unknown): CarriedError {
  if (!(error instanceof FleetError)) {
    const log = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { code: 'INTERNAL', log };
  }
  const { code, message, field, hint, retryAfterMs, log } = error;
  const known = { field, hint, retryAfterMs, log };
  return { code, message, ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) };
}

export function carriedError({ code, ...options }: CarriedError): FleetError {
  return new FleetError(code, options);
}
