/** Whose a check is: its tenant gets its share of slots here and of places at the executor, whatever else is asked for. */
import { sha256Hex } from '@labmesh/attest/sha256';
import type { Turn } from '@labmesh/kit/fair/fair-places';
import { type Priority, priorityRank } from '@labmesh/wire/verification/priority';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';

export type Whose = { tenant: string; priority: Priority };

export const turnOf = ({ tenant, priority }: Whose): Turn => ({ group: tenant, priority: priorityRank(priority) });

/**
 * The runner as verifiers of a run see it: every job of theirs is the tenant's, so that variations, suites and their cases
 * count as its work. The executor gets a digest, 32 hex digits: it has no use for names of tenants.
 */
export function runnerFor(runner: SandboxRunner, { tenant, priority }: Whose): SandboxRunner {
  const group = sha256Hex(new TextEncoder().encode(tenant)).slice(0, 32);
  return {
    run: (job, signal) => runner.run({ ...job, group, priority }, signal),
    levels: () => runner.levels(),
  };
}
