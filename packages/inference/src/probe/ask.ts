import type { EndpointSpec, Target } from '../registry/endpoint.ts';
import { rootOf } from '../registry/parse-base-url.ts';
import type { Answer, PathTemplate } from './kind.ts';
import type { ProbeFetch } from './probe-fetch.ts';
import { readJson, readText } from './read-json.ts';
import { retryAfterOf } from './seen.ts';

/** Whom to ask and as whom: probes carry the endpoint's own credentials, never a client's. */
export type Asked = { spec: Pick<EndpointSpec, 'apiKey' | 'headers'>; target: Target };

export type AskLimits = { timeoutMs: number; bytesMax: number };

export function pathAt(target: Target, template: PathTemplate): string {
  return template.startsWith('{v1}') ? target.prefix + template.slice('{v1}'.length) : rootOf(target) + template;
}

export function probeHeaders(spec: Asked['spec']): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json, text/plain, */*', 'user-agent': 'labmesh' };
  if (spec.apiKey !== undefined && spec.apiKey !== '') headers['authorization'] = `Bearer ${spec.apiKey}`;
  for (const [name, value] of Object.entries(spec.headers)) headers[name.toLowerCase()] = value;
  return headers;
}

/** One GET; rejects as the ProbeFetch does. */
export async function ask(fetch: ProbeFetch, asked: Asked, template: PathTemplate, limits: AskLimits): Promise<Answer> {
  const path = pathAt(asked.target, template);
  const response = await fetch(asked.target, { path, headers: probeHeaders(asked.spec), ...limits });
  return {
    status: response.status,
    text: readText(response.body),
    json: readJson(response.body),
    retryAfterS: retryAfterOf(response.header('retry-after')),
  };
}
