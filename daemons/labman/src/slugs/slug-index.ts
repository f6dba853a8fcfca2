/**
 * The slugs of this node and what each stands for. Hashing is asynchronous, so an index is built beside the one in use
 * and swapped in whole; a triple (tenant, endpoint, model) is hashed once, as long as it stays. Endpoints that are down
 * keep their slugs: "down now" (503) and "never heard of" (404) are different answers. Source: network plane 2.5.
 */
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { Logger } from '@labmesh/kit/log';
import { classicSlug, endpointSlug, sealedSlug } from '@labmesh/wire/slug';

/** NODE_SLUGS: more are left out, and the log says so. */
export const nodeSlugsMax = 4_096;

/** `model` is what the endpoint calls it. */
export type SlugTarget = { endpoint: Endpoint; model: string };
export type SlugEntry = SlugTarget & { slug: string };
/** `endpoint` is its name. */
export type SlugRow = { slug: string; tenant: string; endpoint: string; model: string; healthy: boolean };

export type SlugIndexParts = {
  registry: Pick<Registry, 'endpoints' | 'usable' | 'onChange'>;
  scheme: 'classic' | 'sealed';
  /** 32 bytes, for the sealed scheme. */
  key?: Uint8Array<ArrayBuffer> | undefined;
  log: Logger;
  /** Replaced in tests: nobody finds two triples with one slug. */
  hash?: typeof classicSlug;
};

/** `text` is what is hashed, before the scheme's own prefix. */
type Triple = SlugTarget & { text: string };

export class SlugIndex {
  readonly #parts: SlugIndexParts;
  #index: ReadonlyMap<string, SlugEntry> = new Map();
  /** Slugs by triple: those of the last build. */
  #known: ReadonlyMap<string, string> = new Map();
  /** The model lists that the last build has seen: the registry replaces a list, it never changes one. */
  #seen: readonly Endpoint['models'][] = [];
  #building: Promise<void> | undefined;
  #isStale = false;
  #told = new Set<string>();

  constructor(parts: SlugIndexParts) {
    if (parts.scheme === 'sealed' && parts.key === undefined) throw new TypeError('sealed slugs need a key');
    this.#parts = parts;
  }

  /** Builds the index and keeps it true until the signal aborts. Resolves when the first one is in use. */
  async start(signal: AbortSignal): Promise<void> {
    const stop = this.#parts.registry.onChange(() => void this.#refresh());
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    await this.#refresh();
  }

  /** What a slug stands for, whether its endpoint is up or not. */
  find(slug: string): SlugTarget | undefined {
    return this.#index.get(slug);
  }

  entries(): Iterable<SlugEntry> {
    return this.#index.values();
  }

  list(): SlugRow[] {
    return [...this.#index.values()].map(({ slug, endpoint, model }) => ({
      slug,
      tenant: endpoint.spec.tenant,
      endpoint: endpoint.spec.name,
      model,
      healthy: this.#parts.registry.usable(endpoint),
    }));
  }

  /** Resolves when no build is under way. */
  async settled(): Promise<void> {
    while (this.#building !== undefined) await this.#building;
  }

  #refresh(): Promise<void> {
    this.#isStale = true;
    this.#building ??= this.#run()
      .catch((error: unknown) => this.#parts.log.error('slugs could not be computed, the last ones stay', { error }))
      .finally(() => (this.#building = undefined));
    return this.#building;
  }

  async #run(): Promise<void> {
    // A change during a build makes another round, not another build.
    while (this.#isStale) {
      this.#isStale = false;
      const { endpoints } = this.#parts.registry;
      const lists = endpoints.map((endpoint) => endpoint.models);
      if (lists.length === this.#seen.length && lists.every((list, i) => list === this.#seen[i])) continue;
      await this.#build(endpoints);
      this.#seen = lists;
    }
  }

  async #build(endpoints: readonly Endpoint[]): Promise<void> {
    const triples = this.#triples(endpoints);
    const slugs = await Promise.all(
      [...triples.values()].map(async (triple) => this.#known.get(triple.text) ?? this.#hash(triple)),
    );
    const index = new Map<string, SlugEntry>();
    const known = new Map<string, string>();
    let at = 0;
    for (const { text, endpoint, model } of triples.values()) {
      const slug = slugs[at++] as string;
      known.set(text, slug);
      const first = index.get(slug);
      if (first === undefined) index.set(slug, { slug, endpoint, model });
      else
        this.#tell('error', 'slug_collision', {
          slug,
          offered: `${first.endpoint.spec.name} ${first.model}`,
          left_out: `${endpoint.spec.name} ${model}`,
        });
    }
    this.#index = index;
    this.#known = known;
  }

  /** Every triple once, in the order of the endpoints, within the limit. */
  #triples(endpoints: readonly Endpoint[]): Map<string, Triple> {
    const triples = new Map<string, Triple>();
    let leftOut = 0;
    for (const endpoint of endpoints) {
      const { tenant, baseUrl, name } = endpoint.spec;
      const before = `${tenant}\n${endpointSlug(baseUrl)}\n`;
      for (const model of endpoint.models.keys()) {
        const text = before + model;
        const first = triples.get(text);
        if (first !== undefined)
          this.#tell('warn', 'duplicate_slug', { offered: first.endpoint.spec.name, left_out: name });
        else if (triples.size >= nodeSlugsMax) leftOut++;
        else triples.set(text, { text, endpoint, model });
      }
    }
    if (leftOut > 0)
      this.#tell('error', 'limit_exceeded', { limit: 'NODE_SLUGS', max: nodeSlugsMax, left_out: leftOut });
    return triples;
  }

  #hash({ endpoint, model }: Triple): Promise<string> {
    const { tenant, baseUrl } = endpoint.spec;
    const { scheme, key, hash = classicSlug } = this.#parts;
    return scheme === 'sealed' && key !== undefined
      ? sealedSlug(key, tenant, baseUrl, model)
      : hash(tenant, baseUrl, model);
  }

  /** Once for each thing: builds repeat. */
  #tell(level: 'warn' | 'error', msg: string, fields: Record<string, string | number>): void {
    const text = JSON.stringify([msg, fields]);
    if (this.#told.has(text) || this.#told.size >= nodeSlugsMax) return;
    this.#told.add(text);
    this.#parts.log[level](msg, fields);
  }
}
