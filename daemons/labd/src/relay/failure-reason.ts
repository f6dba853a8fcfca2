import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';

/** What a failure of ours is called on a channel. */
const reasonOf: Partial<Record<FleetError['code'], CloseReason>> = {
  AUDIT_UNAVAILABLE: 'audit-unavailable',
  RECORDING_UNAVAILABLE: 'recording-unavailable',
  RATE_LIMITED: 'limit',
  // A RESUME is tried again after these: a session outlives a database that is away (LD-7, EX-7).
  STORE_UNAVAILABLE: 'audit-unavailable',
  STORE_CONFLICT: 'audit-unavailable',
  REVOCATION_STALE: 'audit-unavailable',
  NOT_FOUND: 'not-found',
};

/** How a failure closes a channel; `known` false for what nobody foresaw. */
export function failureReason(error: unknown): { reason: CloseReason; text: string; known: boolean } {
  if (!(error instanceof FleetError)) return { reason: 'internal', text: '', known: false };
  return { reason: reasonOf[error.code] ?? 'internal', text: error.message, known: true };
}
