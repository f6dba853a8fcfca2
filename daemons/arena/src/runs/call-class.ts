import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { type Priority, usualPriority } from '@labmesh/wire/verification/priority';

/** Of a run's calls of models: somebody waits for an intercept, and for nothing else (gateway G-31). */
export const callClass = ({ mode, block }: RunOffer): Priority =>
  mode === 'intercept' ? (block.priority ?? usualPriority) : 'low';
