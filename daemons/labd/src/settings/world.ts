/** What nearly every part of labd is given: the store, the time, and where to tell what happened. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';

/** Parts name the ones they use: `store: World['store']`. */
export type World = { store: Store; clock: Clock; log: Logger };
