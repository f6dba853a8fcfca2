import type { Endpoint } from './endpoint.ts';

export type ModelIndex = ReadonlyMap<string, readonly Endpoint[]>;

/** Model id → endpoints that list it, in the order of the endpoints. A new map each time: readers keep theirs whole. */
export function indexModels(endpoints: Iterable<Endpoint>): ModelIndex {
  const index = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    for (const id of endpoint.models.keys()) {
      const serving = index.get(id);
      if (serving === undefined) index.set(id, [endpoint]);
      else serving.push(endpoint);
    }
  }
  return index;
}

/** Whether two model lists say the same. */
export function sameModels(a: Endpoint['models'], b: Endpoint['models']): boolean {
  if (a.size !== b.size) return false;
  for (const [id, model] of a) {
    const other = b.get(id);
    if (other === undefined || other.loaded !== model.loaded || other.contextLength !== model.contextLength)
      return false;
  }
  return true;
}
