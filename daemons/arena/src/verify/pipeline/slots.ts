/** How many checks run at once: places with a line before them, in which tenants get equal shares. */
import type { Clock } from '@labmesh/kit/clock';
import { FairPlaces, type Turn } from '@labmesh/kit/fair/fair-places';
import { placeKeptMs, priorityAgeMs } from '@labmesh/wire/verification/priority';

export type Slots = {
  /**
   * Runs `work` when a slot is free and it is the turn of its group; frees the slot at its end.
   * @throws BoundPassed when too many wait; the signal's reason when it aborts while waiting
   */
  use: <T>(turn: Turn, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;
};

/** Runs of one process, and checks that wait in them, stay below this. */
const waitingMost = 4096;
/** Of those, for one tenant. */
const tenantWaitingMost = waitingMost / 2;

export function createSlots(name: string, count: number, clock: Pick<Clock, 'now'>): Slots {
  const bounds = { name, max: waitingMost, groupMax: tenantWaitingMost, ageMs: priorityAgeMs, keepMs: placeKeptMs };
  const places = new FairPlaces(count, bounds, clock);
  return {
    use: async (turn, signal, work) => {
      using _ = await places.enter(turn, signal);
      return await work();
    },
  };
}
