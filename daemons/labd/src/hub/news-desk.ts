/**
 * What agents that stay connected have to hear when it changes: addresses of replicas (RP-2) and the roots to trust
 * (CA-10). One desk a hub; who comes later learns the same from HELLO_OK and by its first heartbeat.
 */
import type { AgentNews } from '@labmesh/wire/fleet/agent-news';
import type { Hello, HelloOk } from '@labmesh/wire/frame/messages';
import type { Bundle } from '../ca/keys/ca-state.ts';

const urlsMax = 64;

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

  constructor(parts: NewsParts) {
    this.#parts = parts;
    this.#digest = parts.bundle().digest;
  }

  /** Of HELLO_OK. */
  welcome(): Pick<HelloOk, 'urls' | 'bundle'> {
    return { urls: this.urls(), bundle: this.#parts.bundle().digest };
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
    if (areKnown && isKnown) return undefined;
    return { ...(!areKnown && { agentUrls: urls }), ...(!isKnown && { bundlePem: pem }) };
  }

  /** For one that trusts other roots than it should: it was away, or could not keep what it was told. */
  bundleFor({ bundle }: Pick<Hello, 'bundle'>): AgentNews | undefined {
    const { pem, digest } = this.#parts.bundle();
    return bundle === digest ? undefined : { bundlePem: pem };
  }
}
