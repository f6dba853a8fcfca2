/** How many checks run at once: a counter with a line of waiters before it, first come first served. */
import { WaitingLine } from '@labmesh/kit/bounded-queue';

export type Slots = {
  /**
   * Runs `work` when a slot is free and frees it at its end.
   * @throws BoundPassed when too many wait; the signal's reason when it aborts while waiting
   */
  use: <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T>;
};

/** Runs of one process, and checks that wait in them, stay below this. */
export const waitingMost = 4096;

export function createSlots(name: string, count: number): Slots {
  const line = new WaitingLine(name, waitingMost);
  let free = count;
  const release = () => {
    // Whoever is let in takes over the slot: it is never free between the two.
    if (!line.admit()) free++;
  };
  return {
    use: async (signal, work) => {
      signal.throwIfAborted();
      if (free > 0) free--;
      else await line.wait(signal);
      try {
        return await work();
      } finally {
        release();
      }
    },
  };
}
