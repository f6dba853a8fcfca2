import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import { nearest } from '@labmesh/kit/nearest';
import { ApiError } from '@labmesh/wire/errors';
import type { Alias } from './aliases.ts';

export type FindSlug = (slug: string) => { endpoint: Endpoint; model: string } | undefined;

/** Candidates are a function: endpoints come and go while a request waits in the queue. */
export type Resolved = {
  /** What the endpoints call it. */
  model: string;
  candidates: () => readonly Endpoint[];
};

/** Turns the `model` of a request into an engine's model and the endpoints that may serve it: alias, then id, then slug. */
export class ModelResolver {
  #registry: Registry;
  #aliases: ReadonlyMap<string, Alias>;
  #findSlug: FindSlug | undefined;

  constructor(registry: Registry, aliases: ReadonlyMap<string, Alias>, findSlug: FindSlug | undefined) {
    this.#registry = registry;
    this.#aliases = aliases;
    this.#findSlug = findSlug;
  }

  /** `mayUseSlugs`: the key has the scope. Undefined = nobody serves that name. */
  find(name: string, mayUseSlugs: boolean): Resolved | undefined {
    const alias = this.#aliases.get(name);
    if (alias !== undefined) return { model: alias.modelId, candidates: () => this.#ofAlias(alias) };
    if (this.#registry.serving(name).length > 0) return { model: name, candidates: () => this.#registry.serving(name) };
    const slug = mayUseSlugs ? this.#findSlug?.(name) : undefined;
    return slug === undefined ? undefined : { model: slug.model, candidates: () => [slug.endpoint] };
  }

  /** As `find`; on a miss the endpoints are asked once more for their lists. Throws model_not_found. */
  async resolve(name: string, mayUseSlugs: boolean): Promise<Resolved> {
    const found = this.find(name, mayUseSlugs);
    if (found !== undefined) return found;
    await this.#registry.refreshOnMiss();
    const late = this.find(name, mayUseSlugs);
    if (late !== undefined) return late;
    const known = [...this.#aliases.keys(), ...this.#registry.models().keys()];
    // Only names that everybody may see are hinted at.
    const near = nearest(name, known);
    const hint = near === undefined ? '.' : `; did you mean '${near}'?`;
    const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
    throw new ApiError('model_not_found', {
      param: 'model',
      message: `the model '${shown}' is unknown${hint} GET /v1/models and \`labctl models\` tell what is served`,
    });
  }

  /** Asked for again at each choice: endpoints come and go while a request waits. */
  #ofAlias(alias: Alias): readonly Endpoint[] {
    const serving = this.#registry.serving(alias.modelId);
    return alias.endpoints.length === 0
      ? serving
      : serving.filter((endpoint) => alias.endpoints.includes(endpoint.spec.name));
  }

  /** For lists; the names an operator defined. */
  get aliases(): ReadonlyMap<string, Alias> {
    return this.#aliases;
  }
}
