/** A store whose every read asks first whether anybody still waits: what goes page by page ends at the next page. */
import type { Store } from '@labmesh/store/store';

/** Reads reject with the signal's reason once it is aborted. Closing is the lender's. */
export function cancellableStore(store: Store, signal: AbortSignal): Store {
  return {
    engine: store.engine,
    clock: store.clock,
    retries: store.retries,
    read: async (principal, query) => {
      signal.throwIfAborted();
      return store.read(principal, query);
    },
    write: (principal, work) => store.write(principal, work),
    snapshot: (principal) => store.snapshot(principal),
    ping: () => store.ping(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
