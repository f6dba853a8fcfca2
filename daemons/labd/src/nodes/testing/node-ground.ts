/** labd's side of nodes for tests: a store in memory, every write run twice, key files in a folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { parseOptions } from '@labmesh/kit/options';
import type { InjectFaults } from '@labmesh/store/faults';
import { openStore } from '@labmesh/store/open-store';
import { type CreateNodeToken, createNodeTokenSchema } from '@labmesh/wire/fleet/resources/nodes';
import { nodeHeartbeatRequestSchema, nodeRegisterRequestSchema } from '@labmesh/wire/node';
import { localRoot } from '../../login/testing/callers.ts';
import { parseAddressRange } from '../../settings/address-range.ts';
import { conplaneOptions } from '../../settings/conplane-options.ts';
import { nodeServices } from '../node-services.ts';
import { type NodeTunnel, noTunnel } from '../node-tunnel.ts';
import { wireguardKey } from './remembering-tunnel.ts';

export type NodeGroundOptions = { url?: string; injectFaults?: InjectFaults; tunnel?: NodeTunnel; range?: string };

export async function openNodeGround(ground: NodeGroundOptions = {}) {
  const { url = 'sqlite::memory:', injectFaults = 'twice', tunnel = noTunnel } = ground;
  const range = parseAddressRange(ground.range ?? '10.90.0.0/16');
  if (range === undefined) throw new TypeError('no range');
  const stack = new AsyncDisposableStack();
  const dataDir = mkdtempSync(join(tmpdir(), 'labmesh-nodes-'));
  stack.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const clock = new FakeClock();
  const store = stack.use(await openStore({ url, clock, injectFaults }));
  const { values: options } = parseOptions(conplaneOptions, { argv: [], env: {} });
  const target = () => ({ url: 'https://labd.test:3102', caPin: `sha256:${'a'.repeat(64)}`, hub: tunnel.conplane() });
  const replica = (replicaId: string) =>
    nodeServices({ store, clock, options, dataDir, replicaId, range, tunnel, target }, stack);
  return {
    store,
    clock,
    dataDir,
    ...replica('replica-1'),
    replica,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
export type NodeGround = Awaited<ReturnType<typeof openNodeGround>>;

/** The text of a fresh token. */
export async function newNodeToken(ground: Pick<NodeGround, 'tokens'>, more: CreateNodeToken = {}): Promise<string> {
  return (await ground.tokens.create(localRoot, createNodeTokenSchema.parse(more))).token;
}

/** A registration as its schema reads it; keys of nobody unless they are given. */
export const registration = (token: string, more: Record<string, unknown> = {}, info: Record<string, unknown> = {}) =>
  nodeRegisterRequestSchema.parse({
    token,
    node_info: {
      id: 'node-0123456789ab',
      version: '0.1.0',
      capabilities: {
        models: [{ id: 'llama3.2:3b' }, { id: 'qwen3:8b' }],
        endpoint_count: 2,
        max_concurrent_requests: 8,
        supports_streaming: true,
        supports_chat: true,
        supports_completions: true,
      },
      ...info,
    },
    wireguard_public_key: wireguardKey(),
    rosenpass_public_key: '',
    ...more,
  });

export const heartbeat = (nodeId: string, status: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
  nodeHeartbeatRequestSchema.parse({
    node_id: nodeId,
    status: {
      node_id: nodeId,
      state: 'running',
      healthy_endpoints: 1,
      total_endpoints: 2,
      active_requests: 3,
      total_requests: 40,
      total_errors: 5,
      uptime_seconds: 6.5,
      timestamp: '2026-01-02T03:04:05.678Z',
      ...status,
    },
    ...more,
  });
