import { readFileSync } from 'node:fs';
import { configFault } from '@labmesh/kit/options/read-fields';
import { isLoopback } from '@labmesh/kit/http/listen-address';
import { keyIn, type Reader, readTable } from './reader.ts';
import { controlPlaneFields } from './tables.ts';

/** How the Conplane is reached. */
export type ControlPlaneConfig = {
  /** With `/api/v1` when the file names no path. */
  url: string;
  /** Where the node token is. */
  token: { text: string } | { path: string };
  /** Pin of its CA, `sha256:` and 64 hex digits; without it the system's roots decide. */
  caPin: string | undefined;
  region: string | undefined;
  description: string | undefined;
  onAuthFailure: 'wait' | 'stop';
};

/** The node token, read where it is kept. @throws what the file system says */
export const nodeToken = ({ token }: Pick<ControlPlaneConfig, 'token'>): string =>
  ('text' in token ? token.text : readFileSync(token.path, 'utf8')).trim();

/** @throws OptionsError for the first fault */
export function readControlPlane(reader: Reader): ControlPlaneConfig | undefined {
  const raw = reader.root['control_plane'];
  if (raw === undefined) return undefined;
  const values = readTable(reader, 'control_plane', raw, controlPlaneFields);
  const fault = (key: string, problem: string, fix: string) =>
    configFault(reader.file, keyIn(reader, `control_plane.${key}`), { problem, fix });
  const { base_url: baseUrl } = values;
  if (baseUrl === undefined) throw fault('base_url', 'is missing', `write ${controlPlaneFields.base_url.example}`);
  const url = new URL(baseUrl);
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && values.insecure !== true) {
    throw fault('base_url', 'plain http is for loopback only', 'write https://…, or insecure = true beside it');
  }
  const tokens = [values.node_token, values.node_token_file].filter((token) => token !== undefined);
  if (tokens.length === 0)
    throw fault('node_token_file', 'is missing', 'name a file with the node token, or write node_token = "…"');
  if (tokens.length === 2) throw fault('node_token', 'stands beside node_token_file', 'keep only node_token_file');
  if (url.pathname === '/') url.pathname = '/api/v1';
  const { node_token: text, node_token_file: path, ca_sha256: pin } = values;
  return {
    url: url.href,
    token: text === undefined ? { path: path ?? '' } : { text },
    caPin: pin === undefined ? undefined : `sha256:${pin.toLowerCase()}`,
    region: values.region,
    description: values.description,
    onAuthFailure: values.on_auth_failure ?? 'wait',
  };
}
