/** Nodes of a running labd for tests: what a labman sends at registration and in heartbeats, by hand. */
import { createHash, randomBytes } from 'node:crypto';
import { doorOf, HttpsLine } from '../raw-https.ts';
import type { RunningLabd } from '../start-labd.ts';

export const nodeCapabilities = {
  models: [{ id: 'llama3.2:3b' }],
  endpoint_count: 1,
  max_concurrent_requests: 8,
  supports_streaming: true,
  supports_chat: true,
  supports_completions: true,
};

/** A WireGuard key of nobody. */
export const newWireguardKey = (): string => randomBytes(32).toString('base64');

/** Raw bytes as long as a Rosenpass public key, told apart by `seed`. */
export const newRosenpassKey = (seed: number): Buffer =>
  Buffer.alloc(524_160, createHash('sha512').update(`${seed}`).digest());

/** A registration without a Rosenpass key. */
export const registration = (token: string, more: Record<string, unknown> = {}) => ({
  token,
  node_info: { id: 'node-0123456789ab', capabilities: nodeCapabilities, version: '0.1.0' },
  wireguard_public_key: newWireguardKey(),
  rosenpass_public_key: '',
  ...more,
});

export const heartbeatOf = (nodeId: string, status: Record<string, unknown> = {}) => ({
  node_id: nodeId,
  status: {
    node_id: nodeId,
    state: 'running',
    healthy_endpoints: 1,
    total_endpoints: 1,
    active_requests: 0,
    total_requests: 5,
    total_errors: 0,
    uptime_seconds: 12.5,
    timestamp: new Date().toISOString(),
    ...status,
  },
});

export type JoinedNode = { id: string; name: string; token: string; prefix: string };

/** A node that has registered with a fresh token. */
export async function joinNode(labd: RunningLabd, request: Record<string, unknown> = {}): Promise<JoinedNode> {
  const { token, prefix } = await labd.call<{ token: string; prefix: string }>('POST', '/api/node-tokens', request);
  using line = new HttpsLine(doorOf(labd.nodes));
  const answer = await line.call('POST', '/api/v1/nodes/register', { json: registration(token) });
  if (answer.status !== 200) throw new Error(`register: ${answer.status} ${answer.body}`);
  const { node_id: id } = answer.json<{ node_id: string }>();
  const { name } = await labd.call<{ name: string }>('GET', `/api/nodes/${id}`);
  return { id, name, token, prefix };
}
