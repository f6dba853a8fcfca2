/** What lies under every part: the data folder with its lock, the connections, and the registry with the settings' servers. */
import { join } from 'node:path';
import type { ProbeFetch } from '@labmesh/inference/probe/probe-fetch';
import { readEndpoints } from '@labmesh/inference/registry/endpoint-config';
import { Registry } from '@labmesh/inference/watch/registry';
import { systemClock } from '@labmesh/kit/clock';
import { HttpPool } from '@labmesh/kit/http/client';
import { fetchWhole } from '@labmesh/kit/http/fetch-whole';
import type { Logger } from '@labmesh/kit/log';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { openDataFolder } from '../data-folder.ts';
import { productVersion } from '../product-version.ts';
import { lockDataFolder, type DataLock } from './data-lock.ts';

export type Ground = {
  lock: DataLock;
  /** Of the gateway and, when it runs here, of labd. */
  store: Store;
  registry: Registry;
  fetch: ProbeFetch;
  pool: HttpPool;
  /** Aborted when the stack begins to close what stands on the ground. */
  closing: AbortSignal;
};

/** Puts everything on `stack`. @throws OptionsError, CommandError */
export async function layGround(
  input: { dataDir: string; databaseUrl: string | undefined; file: OptionsFile | undefined; log: Logger },
  stack: AsyncDisposableStack,
): Promise<Ground> {
  const { dataDir, file, log } = input;
  // Before the folder: settings with a fault leave no trace.
  const specs = file === undefined ? [] : readEndpoints(file, { requireV1: false });
  openDataFolder(dataDir);
  const lock = stack.use(lockDataFolder(dataDir, productVersion));
  const url = input.databaseUrl ?? `sqlite://${join(dataDir, 'labmesh.db')}`;
  const store = stack.use(await openStore({ url, log: log.child({ part: 'store' }) }));
  const pool = stack.use(new HttpPool());
  const fetch: ProbeFetch = (target, request) => fetchWhole(pool, { ...target, tlsCa: request.tlsCa }, request);
  const registry = stack.use(new Registry({ clock: systemClock, log: log.child({ part: 'registry' }), fetch }));
  for (const spec of specs) registry.add(spec);
  const closing = new AbortController();
  stack.defer(() => closing.abort(new Error('stopping')));
  return { lock, store, registry, fetch, pool, closing: closing.signal };
}
