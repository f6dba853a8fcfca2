import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { ServedModel } from '@labmesh/wire/admin';
import type { ModelResolver } from './resolve.ts';

/** `servable`: an endpoint that lists it is up. The rest is told as unavailable, not hidden. */
export type ModelRow = ServedModel & { created: number; ownedBy: string; servable: boolean };

/** A rate-limited endpoint counts: it will serve again by itself. */
const isUp = (endpoint: Endpoint) =>
  endpoint.state === 'healthy' || endpoint.state === 'busy' || endpoint.state === 'rate_limited';

/** One row from the endpoints that list the model; the smallest context is the one that always works. */
function describe(id: string, target: string | undefined, all: readonly Endpoint[]): ModelRow {
  const up = all.filter(isUp);
  const shown = up.length > 0 ? up : all;
  const models = shown.flatMap((endpoint) => endpoint.models.get(target ?? id) ?? []);
  const contexts = models.flatMap((model) => model.contextLength ?? []);
  const known = models.filter((model) => model.loaded !== undefined);
  return {
    id,
    alias: target !== undefined,
    ...(target === undefined ? {} : { target }),
    endpoints: up.map((endpoint) => endpoint.spec.name).toSorted(),
    ...(known.length === 0 ? {} : { loaded: known.some((model) => model.loaded) }),
    ...(contexts.length === 0 ? {} : { contextLength: Math.min(...contexts) }),
    created: models.find((model) => model.created !== undefined)?.created ?? 0,
    ownedBy: models.find((model) => model.ownedBy !== undefined)?.ownedBy ?? 'labmesh',
    servable: up.length > 0,
  };
}

/** Aliases, then plain models, each sorted: those that can be served now and those that cannot. */
export function servedModels(registry: Registry, resolver: ModelResolver): ModelRow[] {
  const aliases = [...resolver.aliases.values()].map((alias) =>
    describe(alias.name, alias.modelId, resolver.find(alias.name, false)?.candidates() ?? []),
  );
  const models = [...registry.models()]
    .filter(([id]) => !resolver.aliases.has(id))
    .map(([id, endpoints]) => describe(id, undefined, endpoints));
  const byId = (a: ModelRow, b: ModelRow) => (a.id < b.id ? -1 : 1);
  return [...aliases.toSorted(byId), ...models.toSorted(byId)];
}

/** A row as the admin API and labctl show it. */
export const servedModel = ({ created: _, ownedBy: __, servable: ___, ...model }: ModelRow): ServedModel => model;

/** One model in OpenAI's form, with our extension fields. */
export function openaiModel(row: ModelRow) {
  return {
    id: row.id,
    object: 'model' as const,
    created: row.created,
    owned_by: row.ownedBy,
    ...(row.contextLength === undefined ? {} : { context_length: row.contextLength }),
    ...(row.loaded === undefined ? {} : { loaded: row.loaded }),
  };
}

/** The answer of GET /v1/models: what can be served now, and beside it what cannot. */
export function openaiModelList(rows: readonly ModelRow[]) {
  return {
    object: 'list' as const,
    data: rows.filter((row) => row.servable).map(openaiModel),
    labmesh: { unavailable_models: rows.filter((row) => !row.servable).map((row) => row.id) },
  };
}
