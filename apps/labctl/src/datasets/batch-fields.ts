import type { Batch } from '@labmesh/wire/verification/datasets';

/** A proposed version for a person, a line a field. */
export const batchFields = (one: Batch): (readonly [string, unknown])[] => [
  ['Batch', one.id],
  ['State', one.state],
  ['Pairs', one.pairs],
  ['Version', one.datasetId === null ? null : `${one.name} (${one.datasetId})`],
  ['Fault', one.fault],
  ['Proposed', one.createdAt],
  ['Decided', one.decidedAt],
  ['By', one.decidedBy],
];
