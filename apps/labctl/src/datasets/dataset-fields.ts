import type { Dataset } from '@labmesh/wire/verification/datasets';

/** A version for a person, a line a field. Digest and log index are what others compare theirs with. */
export const datasetFields = (one: Dataset): (readonly [string, unknown])[] => [
  ['Version', `${one.name}@${one.number}`],
  ['Id', one.id],
  ['State', one.state],
  ['Stage', one.stage],
  ['Pairs', `${one.count} (${one.train} train, ${one.test} test)`],
  ['SHA-256', one.sha256],
  ['Filters', one.filters],
  ['Author', one.author],
  ['Created', one.createdAt],
  ['Log index', one.logIndex],
];
