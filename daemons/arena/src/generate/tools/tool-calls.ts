/**
 * Every call of a tool, made as seldom as may be (AR18):
 *
 *     a result of before ─▶ an equal call under way ─▶ a place, fair by tenant ─▶ the call ─▶ kept if it succeeded
 *
 * Variations of one prompt ask the same at the same moment, so equal calls of a tenant share one; it ends when the last of
 * those who wait for it has gone.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { Clock } from '@labmesh/kit/clock';
import { FairPlaces } from '@labmesh/kit/fair/fair-places';
import { placeKeptMs, priorityAgeMs } from '@labmesh/wire/verification/priority';
import { endedBy } from '../../verify/pipeline/ended-by.ts';
import { turnOf, type Whose } from '../../verify/pipeline/whose-work.ts';
import { ToolCache, type ToolCacheBounds, toolKey } from './tool-cache.ts';
import type { ToolOutcome } from './tool-server.ts';

/** Calls that wait for a place, of all and of one tenant. */
const waitingMost = 4_096;
const tenantWaitingMost = waitingMost / 2;

type Shared = { outcome: Promise<ToolOutcome>; ended: AbortController; waiters: number };
export type ToolCallAsk = {
  whose: Whose;
  /** `server/tool`. */
  tool: string;
  args: Readonly<Record<string, unknown>>;
  signal: AbortSignal;
};

export class ToolCalls {
  readonly #places: FairPlaces;
  readonly #cache: ToolCache;
  readonly #shared = new Map<string, Shared>();

  constructor(bounds: ToolCacheBounds & { atOnce: number }, clock: Clock) {
    const line = { name: 'arena.tools.waiting', max: waitingMost, groupMax: tenantWaitingMost };
    this.#places = new FairPlaces(bounds.atOnce, { ...line, ageMs: priorityAgeMs, keepMs: placeKeptMs }, clock);
    this.#cache = new ToolCache(bounds, clock);
  }

  get stats(): { entries: number; running: number; waiting: number } {
    return { entries: this.#cache.size, running: this.#places.held, waiting: this.#places.waiting };
  }

  /**
   * The result of an equal call, or that of `work`, whose signal is of all who wait for it.
   * @throws the signal's reason; AttestRefused for arguments that JSON cannot hold
   */
  async run(
    ask: ToolCallAsk,
    work: (signal: AbortSignal) => Promise<ToolOutcome>,
  ): Promise<ToolOutcome & { cached: boolean }> {
    const { whose, tool, args, signal } = ask;
    const key = toolKey({ tenant: whose.tenant, tool, args });
    const kept = this.#cache.get(key);
    if (kept !== undefined) return { state: 'ok', text: kept, cached: true };
    const joined = this.#shared.get(key);
    const shared = joined ?? this.#begin(key, whose, work);
    shared.waiters += 1;
    try {
      const outcome = await endedBy(signal, shared.outcome);
      return { ...outcome, cached: joined !== undefined && outcome.state === 'ok' };
    } finally {
      shared.waiters -= 1;
      if (shared.waiters === 0) this.#end(key, shared);
    }
  }

  #begin(key: string, whose: Whose, work: (signal: AbortSignal) => Promise<ToolOutcome>): Shared {
    const ended = new AbortController();
    const outcome = this.#call(key, whose, () => work(ended.signal), ended.signal);
    // Those who wait hear of it; when all have gone, nobody does.
    outcome.catch(() => {});
    const shared = { outcome, ended, waiters: 0 };
    this.#shared.set(key, shared);
    return shared;
  }

  async #call(key: string, whose: Whose, work: () => Promise<ToolOutcome>, signal: AbortSignal): Promise<ToolOutcome> {
    try {
      using _ = await this.#places.enter(turnOf(whose), signal);
      const outcome = await work();
      if (outcome.state === 'ok') this.#cache.put(key, outcome.text);
      return outcome;
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      return { state: 'unavailable', text: 'too many calls of tools wait; try again' };
    }
  }

  /** Whoever asks from now on begins anew: what is being ended is nobody's result. */
  #end(key: string, shared: Shared): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
    shared.ended.abort(new Error('nobody waits for this call'));
  }
}
