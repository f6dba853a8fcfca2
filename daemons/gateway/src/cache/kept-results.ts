/** Verified answers that are given again, as long as what they rest on stands (verification RP9). */
import type { Clock } from '@labmesh/kit/clock';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import type { ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { VerificationBlock } from '@labmesh/wire/verification/verification-block';
import type { ArenaClient, ArenaPayer } from '../arena/arena-client.ts';
import { ArenaEpochs } from './arena-epochs.ts';
import { cacheId, type CacheLimits, type CacheOwner, ResultCache } from './result-cache.ts';

export type WantedResult = {
  owner: CacheOwner;
  payer: ArenaPayer;
  request: ChatCompletionRequest;
  block: VerificationBlock;
  /** The client asks for an answer of its own. */
  anew: boolean;
};

/** What was found, and where to put what is found in its place. */
export type KeptPlace = { kept: ArenaResult | undefined; keep: (result: ArenaResult) => void };

const nowhere: KeptPlace = { kept: undefined, keep: () => undefined };

export class KeptResults {
  readonly #cache: ResultCache;
  /** Undefined where nothing is kept: nobody is asked then. */
  readonly #epochs: ArenaEpochs | undefined;

  constructor(parts: { limits: CacheLimits; arena: ArenaClient | undefined; clock: Clock }) {
    const { limits, arena, clock } = parts;
    this.#cache = new ResultCache(limits, clock);
    const onChange = (tenant: string) => this.forget(tenant);
    if (arena !== undefined && limits.entriesMax > 0) this.#epochs = new ArenaEpochs({ arena, clock, onChange });
  }

  get size(): number {
    return this.#cache.size;
  }

  /** A fresh copy of the answer to the same request, and the place for another. */
  async find({ owner, payer, request, block, anew }: WantedResult): Promise<KeptPlace> {
    // What tools said may be another soon: such an answer is not kept (AR18).
    const id = anew || block.tools !== undefined ? undefined : cacheId(owner, request, block);
    // Also before a run: what changes while it goes on is then seen against the word of before.
    if (id === undefined || this.#epochs === undefined || !(await this.#epochs.isKnown(payer))) return nowhere;
    const age = this.#cache.age(owner.tenant);
    return {
      kept: this.#cache.get(id),
      keep: (result) => this.#cache.put(id, owner.tenant, result, age),
    };
  }

  /** Forgets what is kept for a tenant, or for all, and what is being found now. Gives how many answers that were. */
  forget(tenant?: string): number {
    return this.#cache.forget(tenant);
  }
}
