/** An SQLite store in a folder of its own, with secrets over it that can be opened as often as a test likes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore, type StoreOptions } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { openSecrets, type Secrets, type SecretsOptions } from '../open-secrets.ts';

export type SecretsBench = AsyncDisposable & {
  folder: string;
  file: string;
  store: Store;
  clock: FakeClock;
  secrets(more?: Partial<SecretsOptions>): Promise<Secrets>;
};

export async function secretsBench(options: Pick<StoreOptions, 'injectFaults'> = {}): Promise<SecretsBench> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-labd-'));
  const file = join(folder, 'labd.db');
  const clock = new FakeClock();
  const store = await openStore({ url: `sqlite://${file}`, clock, ...options });
  return {
    folder,
    file,
    store,
    clock,
    secrets: (more = {}) => openSecrets({ store, dataDir: folder, clock, log: silentLogger, ...more }),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
