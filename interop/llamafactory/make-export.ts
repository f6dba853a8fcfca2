import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { anyTriplet } from '@labmesh/arena/pairs/testing/sample-triplet';
import { openPairs } from '@labmesh/arena/pairs/pairs';
import { insertTriplets } from '@labmesh/arena/pairs/triplet-rows';
import { ExportFolder } from '@labmesh/labctl/datasets/export-folder';
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import type { ExportFormat } from '@labmesh/wire/verification/preference';
import { createDatasetSchema } from '@labmesh/wire/verification/datasets';
import fc from 'fast-check';

/** Random pairs, exported in both formats below a folder: see README.md. Usage: make-export.ts DIR [PAIRS] [SEED] */
const [dir = '/tmp/llamafactory-check', count = '3000', seed = '1'] = process.argv.slice(2);
const formats: readonly ExportFormat[] = ['llamafactory_sharegpt', 'llamafactory_alpaca'];

const triplets = fc.sample(anyTriplet, { numRuns: Number(count), seed: Number(seed) });
await using store = await openStore({ url: 'sqlite::memory:' });
const pairs = await openPairs({ store, clock: new FakeClock(), logger: silentLogger, mayTrain: () => true });
for (const triplet of triplets) {
  await store.write(system('interop'), (tx) => insertTriplets(tx, [{ triplet, text: canonicalJson(triplet) }]));
}
await pairs.createDataset(
  'acme',
  'interop',
  createDatasetSchema.parse({ name: 'check', filters: { minConfidence: 0 } }),
);
for (const format of formats) {
  using folder = new ExportFolder(`${dir}/${format}`, Date.now());
  const end = await pairs.exportDataset('acme', 'check', format, (event) => {
    if (event.event !== 'end') folder.take(event);
  });
  const { manifest } = folder.finish(end);
  console.log(format, manifest.files.map(({ rows }) => rows).join(' + '), 'rows; left out:', manifest.refused);
}
