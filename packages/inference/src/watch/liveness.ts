import { identify } from '../probe/identify.ts';
import { kinds } from '../probe/kinds.ts';
import { failureDetail, failureReason, type ProbeFetch } from '../probe/probe-fetch.ts';
import { probe } from '../probe/probe.ts';
import type { Seen } from '../probe/seen.ts';
import type { Endpoint, KindName } from '../registry/endpoint.ts';

type LivenessParts = { endpoint: Endpoint; fetch: ProbeFetch; kindChanged: () => void };

/** The liveness check of one endpoint, preceded by finding out its kind where that is `auto` and not known yet. */
export class Liveness {
  readonly #parts: LivenessParts;
  #identified: boolean;

  constructor(parts: LivenessParts) {
    this.#parts = parts;
    const { kind } = parts.endpoint.spec;
    this.#identified = kind !== 'auto';
    this.#setKind(kind === 'auto' ? 'openai' : kind);
  }

  /** After a fall another engine may stand there: it is identified anew. An explicit kind is never overridden. */
  forget(): void {
    this.#identified = this.#parts.endpoint.spec.kind !== 'auto';
  }

  /** Never rejects. */
  async check(): Promise<Seen> {
    const { endpoint, fetch } = this.#parts;
    let told = this.#identified;
    if (!this.#identified) {
      try {
        const identity = await identify(fetch, endpoint);
        told = identity.told;
        this.#setKind(identity.kind);
      } catch (error) {
        return { type: 'failed', reason: failureReason(error), detail: failureDetail(error) };
      }
    }
    const seen = await probe(fetch, endpoint, kinds[endpoint.kind]);
    // One that is still starting may not tell its kind yet: it is asked again.
    this.#identified = told || (seen.type !== 'failed' && seen.type !== 'loading');
    return seen;
  }

  #setKind(name: KindName): void {
    const { endpoint, kindChanged } = this.#parts;
    endpoint.kind = name;
    endpoint.version = undefined;
    endpoint.refusesStreamOptions = false;
    kindChanged();
  }
}
