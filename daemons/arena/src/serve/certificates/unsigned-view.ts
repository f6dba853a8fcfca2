/**
 * The original's certificate of a run that has none: there a failure had a certificate too, which said `invalid` (verification
 * BR1). Nothing of this is signed, and what could not be checked is not called invalid.
 */
import type { FunctionalView } from '@labmesh/attest/views/functional-view';
import type { StoredRun } from '../../rows/run-rows.ts';
import { statusOf } from '../run-views.ts';

type UnsignedView = Omit<FunctionalView, 'certificate_id' | 'issued_at' | 'issuer'> & {
  certificate_id: null;
  issued_at: null;
  issuer: null;
  metadata: { error: string } | Record<string, never>;
};

/** Codes of failures stand in the report also where texts were dropped. */
function errorOf({ report, error }: StoredRun): string {
  const hasNoCode = report?.failures.some(({ code }) => code === 'NO_CODE') ?? false;
  return hasNoCode ? 'No code blocks found' : (report?.summary ?? error?.message ?? 'the answer is not valid');
}

/** undefined for a run that says nothing of its answer. */
export function unsignedView(run: StoredRun): UnsignedView | undefined {
  const status = statusOf(run);
  if (status !== 'failed' && status !== 'pending') return undefined;
  return {
    certificate_id: null,
    trajectory_id: run.id,
    status: status === 'failed' ? 'invalid' : 'pending',
    execution_proof: null,
    security_audit: null,
    network_policy_check: false,
    issued_at: null,
    expires_at: null,
    issuer: null,
    metadata: status === 'failed' ? { error: errorOf(run) } : {},
  };
}
