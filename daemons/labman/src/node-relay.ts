import { Admission } from '@labmesh/inference/choose/admission';
import { Relay, type RelayParts } from '@labmesh/inference/relay/relay';
import { isReturnedByNode } from '@labmesh/inference/relay/relay-headers';
import type { Clock } from '@labmesh/kit/clock';

/** A slug names one endpoint: one more try, then the asker chooses anew (X11). */
const attemptsMax = 2;
/** Requests that wait for one model (`queue_max`). */
const queueMax = 16;
const queueMs = 10_000;

/** The relay as a node uses it, with its queue; both end with `stack`. `queued`: how many requests wait. */
export function nodeRelay(
  parts: Pick<RelayParts, 'registry' | 'pool'> & { clock: Clock },
  stack: AsyncDisposableStack,
): { relay: Relay; queued: () => number } {
  const { registry, clock } = parts;
  const admission = stack.use(new Admission({ registry, clock, limits: { queueMax, queueMs } }));
  const relay = stack.use(new Relay({ ...parts, admission, isReturned: isReturnedByNode, limits: { attemptsMax } }));
  return { relay, queued: () => admission.queued };
}
