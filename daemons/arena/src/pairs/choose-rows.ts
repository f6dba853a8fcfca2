/**
 * Which pairs go into a version, and its digest (PD2, PD3). The digest is SHA-256 over the rows in canonical JSON, sorted
 * by their bytes, each with a line end; `LC_ALL=C sort` over the lines of a jsonl export gives the same bytes.
 */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import { sha256 } from '@labmesh/attest/sha256';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { type DatasetFilters, datasetLimits, type DatasetPart } from '@labmesh/wire/verification/datasets';
import type { Triplet } from '@labmesh/wire/verification/preference';
import type { Contamination } from './contamination.ts';
import { PairsError } from './pairs-error.ts';
import { confidencePpm, readTriplet } from './triplet-rows.ts';

/** Share of rows that are trained on; the others are for testing. */
const trainShare = 0.9;
/** Rows read at a time. */
const pageRows = 100;

/** By the id alone: a pair stays on its side in every version. */
export const partOf = (id: string): DatasetPart =>
  new DataView(sha256(new TextEncoder().encode(id)).buffer).getUint32(0) / 2 ** 32 < trainShare ? 'train' : 'test';

/** Hex; the order of `rows` is of no matter. */
export function datasetDigest(rows: readonly string[]): string {
  const hash = new Bun.CryptoHasher('sha256');
  const bytes = rows.map((row) => Buffer.from(row)).toSorted((a, b) => a.compare(b));
  for (const row of bytes) hash.update(row).update('\n');
  return hash.digest('hex');
}

export type Chosen = {
  rows: { id: string; part: DatasetPart }[];
  sha256: string;
  /** Sum over the rows: another one when a row was made anew since. */
  revisions: number;
  /** Rows that fit the filters and were left out, by reason. */
  leftOut: { contaminated: number; damaged: number };
};

const fits = (triplet: Triplet, filters: DatasetFilters) =>
  triplet.input.length + Math.max(triplet.chosen.length, triplet.rejected.length) <= filters.messagesMost &&
  (!filters.requireRationale || (triplet.rationale !== null && triplet.rationale.trim() !== ''));

async function readPage(store: Store, tenant: string, filters: DatasetFilters, after: string) {
  return store.read(system('pairs'), (db) => {
    let query = db
      .selectFrom('arena_triplets')
      .select(['id', 'tenant', 'triplet', 'revision'])
      .where('tenant', '=', tenant)
      .where('id', '>', after)
      .where('status', '=', 'active')
      .where('confidence_ppm', '>=', confidencePpm(filters.minConfidence));
    if (filters.qualities !== undefined) query = query.where('quality', 'in', filters.qualities);
    if (filters.sources !== undefined) query = query.where('source', 'in', filters.sources);
    if (filters.since !== undefined) query = query.where('created_at', '>=', Date.parse(filters.since));
    if (filters.pending === true) query = query.where('stage', '=', 'pending');
    if (filters.until !== undefined) query = query.where('created_at', '<', Date.parse(filters.until));
    return query.orderBy('id').limit(pageRows).execute();
  });
}

/** @throws PairsError DATASET_TOO_LARGE, DATASET_EMPTY */
export async function chooseRows(
  store: Store,
  tenant: string,
  filters: DatasetFilters,
  contamination: Contamination,
): Promise<Chosen> {
  const rows: Chosen['rows'] = [];
  const texts: string[] = [];
  const leftOut = { contaminated: 0, damaged: 0 };
  let [bytes, revisions] = [0, 0];
  for (let after = ''; ;) {
    const found = await readPage(store, tenant, filters, after);
    for (const row of found) {
      const triplet = readTriplet(row);
      if (triplet === undefined) leftOut.damaged++;
      else if (!fits(triplet, filters)) continue;
      else if (contamination.has([...triplet.input, ...triplet.chosen, ...triplet.rejected])) leftOut.contaminated++;
      else {
        const text = canonicalJson(triplet);
        bytes += Buffer.byteLength(text);
        if (rows.length === datasetLimits.rowsMost || bytes > datasetLimits.bytesMost) {
          const most = `${datasetLimits.rowsMost} pairs or ${datasetLimits.bytesMost} bytes`;
          throw new PairsError('DATASET_TOO_LARGE', `a version has at most ${most}; narrow the filters`, 'filters');
        }
        rows.push({ id: triplet.id, part: partOf(triplet.id) });
        texts.push(text);
        revisions += row.revision;
      }
    }
    const last = found.at(-1);
    if (found.length < pageRows || last === undefined) break;
    after = last.id;
  }
  if (rows.length === 0) {
    const why = `${leftOut.contaminated} were contaminated, ${leftOut.damaged} damaged`;
    const hint = 'pairs are kept of tenants that arena.capture names, and of no others';
    throw new PairsError('DATASET_EMPTY', `no pair fits the filters (${why}); ${hint}`, 'filters');
  }
  return { rows, sha256: datasetDigest(texts), revisions, leftOut };
}
