import { compareLevels, type SandboxLevel } from '@labmesh/wire/verification/sandbox';

/** The level that isolates least; null of none. */
export const lowest = (levels: readonly (SandboxLevel | null)[]): SandboxLevel | null =>
  levels.reduce((a, b) => (a === null || (b !== null && compareLevels(b, a) < 0) ? b : a), null);
