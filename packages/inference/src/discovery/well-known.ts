import { endpointSpec, type EndpointSpec, type KindName, type Target } from '../registry/endpoint.ts';
import { originOf } from '../registry/parse-base-url.ts';
import { ask } from '../probe/ask.ts';
import { identify } from '../probe/identify.ts';
import type { Kind } from '../probe/kind.ts';
import { kinds, knownPorts } from '../probe/kinds.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';

/** The ports that local engines use by default; our own engine host is configured, not found. */
export const wellKnownPorts: readonly number[] = knownPorts.filter((port) => !kinds.portman.ports.includes(port));

const ownRouteBytesMax = 1024 * 1024;

export type ScanOptions = {
  host: string;
  ports?: readonly number[];
  /** Our own listeners: a gateway must never find itself. */
  skipPorts: readonly number[];
  /** Of each request. */
  timeoutMs: number;
};

async function lookAt(fetch: ProbeFetch, target: Target, timeoutMs: number): Promise<KindName | undefined> {
  const asked = { spec: { headers: {} }, target };
  const identity = await identify(fetch, asked, timeoutMs).catch(() => undefined);
  // A web server that merely answers, or an unnamed OpenAI face (it may be a gateway of ours), is not taken.
  if (identity?.told !== true || identity.kind === 'portman') return undefined;
  return (await hasOwnRoutes(fetch, target, kinds[identity.kind], timeoutMs)) ? identity.kind : undefined;
}

/** A proxy passes on what an engine lists, owner and all, but not the routes of its own; some kinds have none. */
async function hasOwnRoutes(fetch: ProbeFetch, target: Target, kind: Kind, timeoutMs: number): Promise<boolean> {
  const routes = [...(kind.facts ?? []), ...(kind.warm === undefined ? [] : [kind.warm])];
  const limits = { timeoutMs, bytesMax: ownRouteBytesMax };
  for (const { path, read } of routes) {
    const answer = await ask(fetch, { spec: { headers: {} }, target }, path, limits).catch(() => undefined);
    if (answer?.status === 200 && read(answer.json) !== undefined) return true;
  }
  return routes.length === 0;
}

/**
 * Looks for engines on well-known ports, all at once. Only what identifies itself as an engine becomes an endpoint:
 * `ollama`, `vllm`, … on the kind's first port, else with the port, such as `llamacpp-9931`. Never rejects.
 */
export async function scanWellKnown(fetch: ProbeFetch, options: ScanOptions): Promise<EndpointSpec[]> {
  const ports = [...new Set(options.ports ?? wellKnownPorts)].filter((port) => !options.skipPorts.includes(port));
  const found = await Promise.all(
    ports.map(async (port): Promise<EndpointSpec[]> => {
      const target: Target = { host: options.host, port, tls: false, prefix: '/v1' };
      const kind = await lookAt(fetch, target, options.timeoutMs);
      if (kind === undefined) return [];
      const name = kinds[kind].ports[0] === port ? kind : `${kind}-${port}`;
      return [endpointSpec({ name, baseUrl: `${originOf(target)}/v1`, kind, origin: 'discovered' })];
    }),
  );
  return found.flat().toSorted((a, b) => a.name.localeCompare(b.name));
}
