import { scanWellKnown } from '@labmesh/inference/discovery/well-known';
import type { ProbeFetch } from '@labmesh/inference/probe/probe-fetch';
import { HttpPool } from '@labmesh/kit/http/client';
import { fetchWhole } from '@labmesh/kit/http/fetch-whole';
import { failing, okay, warning, type Finding } from './finding.ts';
import { describeHolder, portHolder } from './port-holder.ts';

/** A port that labmesh itself holds on this data folder is no clash. */
export function checkPort(port: number, ownPort: number | undefined): Finding {
  const name = `port ${port}`;
  if (port === 0) return okay('port', 'a free one is picked at the start');
  const holder = portHolder(port);
  if (holder === undefined) return okay(name, 'free');
  if (port === ownPort) return okay(name, 'in use by this labmesh');
  return failing(name, `in use by ${describeHolder(holder)}`, 'stop it, or start with --port N (0 picks a free one)');
}

/** As long as `labctl up` waits: what doctor finds, up finds. */
const requestTimeoutMs = 600;

/** What answers as an LLM server on the ports that such servers use; `skipPorts` are our own. */
export async function checkServers(skipPorts: readonly number[]): Promise<Finding[]> {
  await using pool = new HttpPool();
  const fetch: ProbeFetch = (target, request) => fetchWhole(pool, { ...target, tlsCa: request.tlsCa }, request);
  const found = await scanWellKnown(fetch, { host: '127.0.0.1', skipPorts, timeoutMs: requestTimeoutMs });
  if (found.length === 0) {
    const fix = 'start one (Ollama, llama-server, vLLM, …), or name one in labmesh.toml with [[endpoints]]';
    return [warning('LLM servers', 'none on the usual ports of this machine', fix)];
  }
  return found.map((spec) => okay('LLM server', `${spec.kind} at ${spec.baseUrl}`));
}
