/** Makes a row of an offer, or finds the one that it made before. */
import { uuidv7 } from '@labmesh/wire/ids';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { type Priority, priorities, priorityRank, usualPriority } from '@labmesh/wire/verification/priority';
import { seedOf } from '../generate/sampling-plan.ts';
import type { RunFields } from '../rows/run-plan.ts';
import { addRun, type StoredRun } from '../rows/run-rows.ts';
import { runsPrincipal } from './live-run.ts';
import { RunFault } from './run-fault.ts';
import type { RunParts } from './run-parts.ts';

const conflictWaitsMs = [20, 80, 300, 1_000];

function fieldsOf(offer: RunOffer, deadlineAt: number, now: number): RunFields {
  const id = uuidv7();
  return {
    id,
    created_at: now,
    tenant: offer.tenant,
    key_id: offer.key,
    request_id: offer.requestId,
    mode: offer.mode,
    state: 'queued',
    priority: priorityRank(offer.block.priority ?? usualPriority),
    model: offer.request.model,
    offer: JSON.stringify(offer),
    seed: seedOf(id, 'draw'),
    plan: null,
    outcome: null,
    chosen: null,
    certificate_id: null,
    report: null,
    error: null,
    tokens_in: 0,
    tokens_out: 0,
    cost_nano: 0,
    deadline_at: deadlineAt,
    finished_at: null,
  };
}

/** When nothing may be begun any more: the offer's word, held to what the block and the arena allow. */
function deadlineOf({ block, deadlineMs }: RunOffer, runMs: number, now: number): number {
  const wait = Math.min(runMs, block.max_wait_ms ?? Infinity, block.deadline_ms ?? Infinity);
  return Math.floor(Math.min(deadlineMs, now + wait));
}

function checkNames({ verification }: RunParts, { block }: RunOffer): void {
  if (block.verifiers === undefined) return;
  try {
    verification.checkNames(block.verifiers);
  } catch (error) {
    const text = error instanceof Error ? error.message : undefined;
    throw new RunFault('verification_bad_option', text, { field: 'verification.verifiers' });
  }
}

/**
 * The run of an offer, held by `owner` when it is new, and the class that it waits in.
 * @throws RunFault verification_bad_option, verification_deadline; ApiError arena_busy; FleetError
 */
export async function takeOffer(
  parts: RunParts,
  owner: string,
  offer: RunOffer,
): Promise<{ run: StoredRun; added: boolean; priority: Priority | undefined }> {
  const { clock, settings, store } = parts;
  const now = clock.wall();
  const deadlineAt = deadlineOf(offer, settings.limits.runMs, now);
  if (deadlineAt <= now) throw new RunFault('verification_deadline');
  checkNames(parts, offer);
  const { tenantRuns, queueRuns } = settings.limits;
  const fields = fieldsOf(offer, deadlineAt, now);
  const add = () => addRun(runsPrincipal, store, fields, owner, { tenantRuns, queueRuns });
  const { run, added } = await again(parts, add);
  return { run, added, priority: priorities[run.priority - 1] };
}

/** Offers that come together count the same rows: where the store gave up on one of them, it is brought again. */
async function again<T>({ clock }: RunParts, add: () => Promise<T>): Promise<T> {
  for (const waitMs of conflictWaitsMs) {
    try {
      return await add();
    } catch (error) {
      if (!(error instanceof FleetError) || error.code !== 'STORE_CONFLICT') throw error;
      await clock.sleep(waitMs * (0.5 + Math.random()));
    }
  }
  return await add();
}
