/**
 * What agents that stay connected have to hear when it changes: addresses of replicas (RP-2), the roots to trust (CA-10)
 * and when to come back after a loss (AG-4). One desk a hub; who comes later learns the same from HELLO_OK and by its
 * first heartbeat.
 */
import type { AgentNews } from '@labmesh/wire/fleet/agent-news';
import type { Hello, HelloOk } from '@labmesh/wire/frame/messages';
import type { Bundle } from '../ca/keys/ca-state.ts';
import { Returns } from './returns.ts';

const urlsMax = 64;
/** Another time to spread is told when it is this much longer, or so much shorter. */
const spreadStep = 1.25;

export type NewsParts = {
  /** Agent URLs of the other live replicas. */
  otherUrls: () => readonly string[];
  /** Roots for agents to trust now. */
  bundle: () => Pick<Bundle, 'pem' | 'digest'>;
};

export class NewsDesk {
  readonly #parts: NewsParts;
  #urls: ReadonlySet<string> = new Set();
  #digest: string;
  readonly returns: Returns;
  #spreadMs: number;

  /** `connected`: agents that are here. */
  constructor(parts: NewsParts, connected: () => number) {
    this.#parts = parts;
    this.returns = new Returns({ connected, replicas: () => parts.otherUrls().length + 1 });
    this.#spreadMs = this.returns.spreadMs;
    this.#digest = parts.bundle().digest;
  }

  /** Of HELLO_OK. */
  welcome(): Pick<HelloOk, 'urls' | 'bundle' | 'retryAfterMaxMs'> {
    return { urls: this.urls(), bundle: this.#parts.bundle().digest, retryAfterMaxMs: this.returns.spreadMs };
  }

  urls(): string[] {
    return [...this.#parts.otherUrls()].slice(0, urlsMax);
  }

  /** What changed since the last call, for all; undefined: nothing. */
  fresh(): AgentNews | undefined {
    const urls = this.urls();
    // A replica that left is no news: the addresses of the others are still good.
    const areKnown = urls.every((url) => this.#urls.has(url));
    this.#urls = new Set(urls);
    const { pem, digest } = this.#parts.bundle();
    const isKnown = digest === this.#digest;
    this.#digest = digest;
    const spread = this.#freshSpread();
    if (areKnown && isKnown && spread === undefined) return undefined;
    return {
      ...(!areKnown && { agentUrls: urls }),
      ...(!isKnown && { bundlePem: pem }),
      ...(spread !== undefined && { retryAfterMaxMs: spread }),
    };
  }

  /** In steps: a rack that joins one by one must not be told once for each. */
  #freshSpread(): number | undefined {
    const now = this.returns.spreadMs;
    const ratio = now / this.#spreadMs;
    if (ratio < spreadStep && ratio > 1 / spreadStep) return undefined;
    this.#spreadMs = now;
    return now;
  }

  /** For one that trusts other roots than it should: it was away, or could not keep what it was told. */
  bundleFor({ bundle }: Pick<Hello, 'bundle'>): AgentNews | undefined {
    const { pem, digest } = this.#parts.bundle();
    return bundle === digest ? undefined : { bundlePem: pem };
  }
}
