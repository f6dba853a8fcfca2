/** Looks for LLM servers on this machine, at the start and again while running: one started later joins by itself. */
import { scanWellKnown } from '@labmesh/inference/discovery/well-known';
import type { ProbeFetch } from '@labmesh/inference/probe/probe-fetch';
import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';

const host = '127.0.0.1';
/** Of each request of a look; a server on loopback that needs longer is found by the next one. */
const requestTimeoutMs = 600;

const loopback = new Set(['127.0.0.1', 'localhost', '::1', '0.0.0.0']);

export type FindServersParts = {
  registry: Registry;
  fetch: ProbeFetch;
  clock: Clock;
  log: Logger;
  /** Our own listeners: a gateway must never find itself. */
  ownPorts: readonly number[];
  /** Ends the looking. */
  closing: AbortSignal;
};

/** Ports of this machine that an endpoint has already. */
function knownPorts(registry: Registry): number[] {
  return registry.endpoints.filter(({ target }) => loopback.has(target.host)).map(({ target }) => target.port);
}

/** One look; adds what is new to the registry and gives it. */
export async function findServers(parts: FindServersParts): Promise<Endpoint[]> {
  const { registry, fetch, log } = parts;
  const skipPorts = [...parts.ownPorts, ...knownPorts(registry)];
  const found = await scanWellKnown(fetch, { host, skipPorts, timeoutMs: requestTimeoutMs });
  const added: Endpoint[] = [];
  for (const spec of found) {
    const taken = new Set(registry.endpoints.map((endpoint) => endpoint.spec.name));
    const port = new URL(spec.baseUrl).port;
    // Two looks may overlap, and an operator may have given the name to another server.
    if (knownPorts(registry).includes(Number(port))) continue;
    const name = [spec.name, `${spec.kind}-${port}`].find((one) => !taken.has(one));
    if (name === undefined) continue;
    log.info('found a server', { endpoint: name, url: spec.baseUrl });
    added.push(registry.add({ ...spec, name }));
  }
  return added;
}

/** Looks again every `everyMs` until closing. Never rejects. */
export async function keepFinding(
  parts: FindServersParts,
  everyMs: number,
  onFound: (endpoint: Endpoint) => void,
): Promise<void> {
  const { closing: signal } = parts;
  while (!signal.aborted) {
    await parts.clock.sleep(everyMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      for (const endpoint of await findServers(parts)) onFound(endpoint);
    } catch (error) {
      parts.log.error('looking for servers failed', { error });
    }
  }
}
