import { type FairEntry, FairQueue } from '@labmesh/kit/fair/fair-queue';
import { placeKeptMs, priorityAgeMs } from '@labmesh/wire/verification/priority';

export type Waiting = FairEntry & { readonly id: string };

/**
 * Runs that wait for their turn (RP8): tenants get equal shares of those that run at once; among those of one tenant the
 * highest priority is first, which grows by one for each 30 s waited. How many a tenant may have is counted before, over
 * all replicas.
 */
export class RunQueue<T extends Waiting> extends FairQueue<T> {
  /** `atOnce` is how many run. */
  constructor(most: number, atOnce: number) {
    const bounds = { name: 'arena.queue_max', max: most, groupMax: most, places: atOnce };
    super({ ...bounds, ageMs: priorityAgeMs, keepMs: placeKeptMs });
  }
}
