/** Offers of tests, and what comes back. */
import type { ArenaEvent, RunOffer } from '@labmesh/wire/verification/arena-run';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import type { z } from 'zod';
import type { Runs } from '../open-runs.ts';

let offers = 0;
export type OfferInput = Partial<Omit<RunOffer, 'block'>> & { block?: z.input<typeof verificationBlockSchema> };

export function offerOf({ block, ...rest }: OfferInput = {}): RunOffer {
  return {
    requestId: `req_${++offers}_${Date.now()}`,
    tenant: 'acme',
    key: 'key-1',
    mode: 'intercept',
    request: { model: 'tiny', messages: [{ role: 'user', content: 'SECRETPROMPT write add' }] },
    block: verificationBlockSchema.parse(block ?? {}),
    deadlineMs: Date.now() + 60_000,
    ...rest,
  };
}

/** All events of a run. */
export async function eventsOf(
  runs: Runs,
  offer: RunOffer,
  signal = new AbortController().signal,
): Promise<ArenaEvent[]> {
  const events: ArenaEvent[] = [];
  for await (const event of runs.submit(offer, signal)) events.push(event);
  return events;
}

export function only<E extends ArenaEvent['event']>(events: readonly ArenaEvent[], name: E) {
  return events.filter((event): event is Extract<ArenaEvent, { event: E }> => event.event === name);
}
