import { libc } from './libc.ts';

const prSetDumpable = 4;

/**
 * Keeps this process out of core dumps and away from debuggers of the same user (spec tunnel.md R9): it holds secret keys.
 * Gives whether the kernel did so; where there is no such C library there is no such shelter.
 */
export function hideMemory(): boolean {
  try {
    return libc().prctl(prSetDumpable, 0, 0, 0, 0) === 0;
  } catch {
    return false;
  }
}
