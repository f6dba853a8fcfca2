import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayOptions } from '@labmesh/gateway/gateway-options';
import { type Gateway, startGateway } from '@labmesh/gateway/gateway';
import { type Endpoint, endpointSpec, type EndpointSpec } from '@labmesh/inference/registry/endpoint';
import { Registry } from '@labmesh/inference/watch/registry';
import { systemClock } from '@labmesh/kit/clock';
import { parseConfig } from '@labmesh/kit/config-file';
import { HttpPool } from '@labmesh/kit/http/client';
import { fetchWhole } from '@labmesh/kit/http/fetch-whole';
import { createLogger } from '@labmesh/kit/log';
import { parseOptions } from '@labmesh/kit/options';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';

export type Mesh = AsyncDisposable & {
  gateway: Gateway;
  registry: Registry;
  pool: HttpPool;
  key: string;
  dataDir: string;
  store: Store;
  /** Everything logged, as it would stand in a file. */
  logged: () => string;
  post: (path: string, body: unknown, init?: RequestInit) => Promise<Response>;
  endpoint: (name: string) => Endpoint;
};

/** A gateway over real sockets on a free loopback port, in a data folder of its own. */
export async function startMesh(
  endpoints: Array<Pick<EndpointSpec, 'name' | 'baseUrl'> & Partial<EndpointSpec>>,
  settings: { toml?: string; engine?: 'raw' | 'serve'; store?: 'file' } = {},
): Promise<Mesh> {
  const dataDir = mkdtempSync(join(tmpdir(), 'labmesh-test-'));
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  const pool = new HttpPool();
  const registry = new Registry({
    clock: systemClock,
    log,
    fetch: (target, request) => fetchWhole(pool, target, request),
  });
  for (const spec of endpoints) registry.add(endpointSpec(spec));
  const ending = new AbortController();
  await registry.start(ending.signal);
  const file = { ...parseConfig('labmesh.toml', `${settings.toml ?? ''}\n`), known: ['models'] };
  const { values } = parseOptions(gatewayOptions, { argv: ['--port', '0'], file });
  const url = settings.store === 'file' ? `sqlite://${join(dataDir, 'labmesh.db')}` : 'sqlite::memory:';
  const store = await openStore({ url, log });
  const options = { ...values, engine: settings.engine ?? 'raw' } as const;
  const gateway = await startGateway(options, {
    dataDir,
    store,
    registry,
    pool,
    clock: systemClock,
    log,
    version: 'test',
    file,
  }).catch(async (error: unknown) => {
    ending.abort();
    await registry[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  });
  const key = gateway.firstKey.text;
  return {
    gateway,
    registry,
    pool,
    key,
    dataDir,
    store,
    logged: () => lines.join('\n'),
    post: (path, body, init = {}) =>
      fetch(`${gateway.api.replace(/\/v1$/, '')}${path}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          ...(init.headers as Record<string, string>),
        },
      }),
    endpoint: (name) => registry.endpoints.find((endpoint) => endpoint.spec.name === name) as Endpoint,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      ending.abort();
      await registry[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
