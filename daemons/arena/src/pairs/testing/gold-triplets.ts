import type { SqlStore } from '@labmesh/store/sql-store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Triplet } from '@labmesh/wire/verification/preference';
import { insertTriplets } from '../triplet-rows.ts';
import { assistant, sampleTriplet, user } from './sample-triplet.ts';

/** So many gold pairs; the better answer begins with `good`. Without `tasks` each is of a task of its own. */
export function goldTriplets(count: number, tasks = count): Triplet[] {
  return Array.from({ length: count }, (_, at) =>
    sampleTriplet({
      input: [user(`task ${at % tasks}`)],
      chosen: [assistant(`good ${at}`)],
      rejected: [assistant(`poor ${at}`)],
      quality: 'gold',
      source: 'human',
    }),
  );
}

export const addTriplets = (store: SqlStore, triplets: readonly Triplet[]): Promise<number> =>
  store.write(system('test'), (tx) =>
    insertTriplets(
      tx,
      triplets.map((triplet) => ({ triplet, text: JSON.stringify(triplet) })),
    ),
  );
