/**
 * The relay: a scanned request goes to the least loaded endpoint that serves its model, and the answer's bytes come
 * back as they are. Until the first byte of an answer reached the client a failed attempt is followed by another one;
 * after it a failure is told inside the stream. A client that leaves closes the engine's socket at once.
 *
 *     ask → lease (or queue) → attempt ──done──→ meter
 *            ↑                    │ failed before a byte
 *            └────────────────────┘
 */
import { type Clock, systemClock } from '@labmesh/kit/clock';
import { Deadlines } from '@labmesh/kit/deadlines';
import type { HttpPool } from '@labmesh/kit/http/client';
import type { Admission } from '../choose/admission.ts';
import type { Registry } from '../watch/registry.ts';
import { isReturned } from './relay-headers.ts';
import {
  type RelayHost,
  type RelayLimits,
  relayLimits,
  type RelayOutcome,
  type RelayRequest,
} from './relay-request.ts';
import { RelayRun } from './relay-run.ts';

export type RelayParts = Pick<RelayHost, 'pool' | 'registry' | 'admission'> &
  Partial<Pick<RelayHost, 'clock' | 'isReturned'>> & { limits?: Partial<RelayLimits> };

export class Relay implements RelayHost, Disposable {
  readonly pool: HttpPool;
  readonly registry: Registry;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly limits: RelayLimits;
  readonly isReturned: (name: string) => boolean;
  readonly deadlines = new Deadlines();
  readonly running = new Set<RelayRun>();
  #stopListening: () => void;

  constructor(parts: RelayParts) {
    this.pool = parts.pool;
    this.registry = parts.registry;
    this.admission = parts.admission;
    this.clock = parts.clock ?? systemClock;
    this.limits = { ...relayLimits, ...parts.limits };
    this.isReturned = parts.isReturned ?? isReturned;
    this.#stopListening = this.registry.onChange(() => this.#leaveDeadEndpoints());
  }

  /** Answers the exchange in full. Rejects only on a fault of ours. */
  async handle(request: RelayRequest): Promise<RelayOutcome> {
    const run = new RelayRun(this, request);
    this.running.add(run);
    try {
      return await run.finish();
    } finally {
      this.running.delete(run);
    }
  }

  /** Ends what still runs with an in-band error: for the end of a drain. Gives how many. */
  shutDown(): number {
    const count = this.running.size;
    for (const run of this.running) run.shutDown();
    return count;
  }

  #leaveDeadEndpoints(): void {
    for (const run of this.running) run.leaveDeadEndpoint();
  }

  [Symbol.dispose](): void {
    this.#stopListening();
  }
}
