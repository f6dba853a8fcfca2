import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPairs } from '@labmesh/arena/pairs/pairs';
import { anyTriplet } from '@labmesh/arena/pairs/testing/sample-triplet';
import { insertTriplets } from '@labmesh/arena/pairs/triplet-rows';
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { ExportFolder } from '@labmesh/labctl/datasets/export-folder';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { createDatasetSchema } from '@labmesh/wire/verification/datasets';
import fc from 'fast-check';

/** PD5, with LLaMA-Factory's own loader: see README.md. `LLAMAFACTORY_PAIRS` and `_SEED` try others. */
const { LLAMAFACTORY_PYTHON: python, LLAMAFACTORY_SOURCES: sources } = process.env;
const count = Number(process.env['LLAMAFACTORY_PAIRS'] ?? 1_000);
const seed = Number(process.env['LLAMAFACTORY_SEED'] ?? 1);

async function exportBoth(folder: string): Promise<void> {
  await using store = await openStore({ url: 'sqlite::memory:' });
  const pairs = await openPairs({ store, clock: new FakeClock(), logger: silentLogger, mayTrain: () => true });
  const made = fc.sample(anyTriplet, { numRuns: count, seed });
  for (const triplet of made) {
    const one = [{ triplet, text: canonicalJson(triplet) }];
    await store.write(system('interop'), (tx) => insertTriplets(tx, one));
  }
  const wanted = createDatasetSchema.parse({ name: 'check', filters: { minConfidence: 0 } });
  await pairs.createDataset('acme', 'interop', wanted);
  for (const format of ['llamafactory_sharegpt', 'llamafactory_alpaca'] as const) {
    using place = new ExportFolder(join(folder, format), 0);
    const end = await pairs.exportDataset('acme', 'check', format, (event) => {
      if (event.event !== 'end') place.take(event);
    });
    place.finish(end);
  }
}

test.skipIf(python === undefined || sources === undefined)(
  'every row that is exported is kept (needs LLAMAFACTORY_PYTHON with datasets, LLAMAFACTORY_SOURCES)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'llamafactory-'));
    try {
      await exportBoth(folder);
      const command = [python ?? '', join(import.meta.dir, 'check-export.py'), sources ?? '', folder];
      const env = { ...process.env, HF_HUB_OFFLINE: '1', HF_HOME: join(folder, '.hf') };
      const check = Bun.spawn(command, { env, stdout: 'pipe', stderr: 'ignore' });
      const [told, code] = [await new Response(check.stdout).text(), await check.exited];
      console.log(told);
      expect(told).not.toContain('FAULT');
      expect(code).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  300_000,
);
