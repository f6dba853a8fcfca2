import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import { shownModelId } from './guard/shown-model-id.ts';
import type { SlugEntry } from './slugs/slug-index.ts';

type Usable = Pick<Registry, 'usable'>;

const slotsOf = ({ capacity, own }: Endpoint) => ({ slots: capacity, slots_free: Math.max(0, capacity - own) });

function row({ slug, endpoint, model }: SlugEntry, registry: Usable) {
  const known = endpoint.models.get(model);
  return {
    id: slug,
    object: 'model' as const,
    created: known?.created ?? 0,
    owned_by: 'labmesh',
    labman: {
      tenant: endpoint.spec.tenant,
      endpoint: endpoint.spec.name,
      model_id: shownModelId(model),
      ...(known?.contextLength === undefined ? {} : { context_length: known.contextLength }),
      ...slotsOf(endpoint),
      healthy: registry.usable(endpoint),
    },
  };
}

/** GET /v1/models: what can be asked for now by slug, and beside it what can not (network plane X8). */
export function slugModels(entries: Iterable<SlugEntry>, registry: Usable) {
  const rows = [...entries].map((entry) => row(entry, registry));
  return {
    object: 'list' as const,
    data: rows.filter(({ labman }) => labman.healthy),
    labman: { unavailable_models: rows.filter(({ labman }) => !labman.healthy) },
  };
}

/** GET /v1/models?view=ids: the union of model ids, as classic labman gave it. */
export function plainModels(entries: Iterable<SlugEntry>, registry: Usable) {
  const ids = new Map<string, { id: string; object: 'model'; created: number; owned_by: string }>();
  for (const { endpoint, model } of entries) {
    const id = shownModelId(model);
    if (ids.has(id) || !registry.usable(endpoint)) continue;
    const { created = 0, ownedBy = 'labmesh' } = endpoint.models.get(model) ?? {};
    ids.set(id, { id, object: 'model', created, owned_by: ownedBy });
  }
  return { object: 'list' as const, data: [...ids.values()] };
}
