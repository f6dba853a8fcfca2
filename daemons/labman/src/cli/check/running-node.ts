import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import { exchangeResultSchema, tunnelViewSchema } from '@labmesh/wire/tunnel';
import { type NodeStatus, nodeStatusSchema } from '../../admin/node-status.ts';
import { askLabmand, LabmandError } from '../ask-labmand.ts';

/** What the running labmand tells of itself. */
export type RunningNode = NodeStatus & {
  /** Undefined: its tunnel is not open. */
  view: TunnelView | undefined;
  /** One exchange now; how it ended in words, undefined when it did well. */
  exchange: () => Promise<{ tookMs: number | null; error: string | undefined }>;
  /** The hub as it is at this moment. */
  hub: () => Promise<TunnelPeer | undefined>;
};

async function viewOf(socket: string): Promise<TunnelView | undefined> {
  try {
    return await askLabmand(socket, { path: '/tunnel', output: tunnelViewSchema });
  } catch (error) {
    if (error instanceof LabmandError) return undefined;
    throw error;
  }
}

/** Undefined: none is reached, or it has no tunnel. */
export async function runningNode(socket: string): Promise<RunningNode | undefined> {
  let status: NodeStatus;
  try {
    status = await askLabmand(socket, { path: '/node', output: nodeStatusSchema });
  } catch (error) {
    if (error instanceof LabmandError) return undefined;
    throw error;
  }
  return {
    ...status,
    view: await viewOf(socket),
    hub: async () => (await viewOf(socket))?.peers[0],
    async exchange() {
      const call = { path: '/tunnel/exchange', method: 'POST', output: exchangeResultSchema } as const;
      const { ok, tookMs, error } = await askLabmand(socket, call);
      return { tookMs, error: ok ? undefined : (error ?? 'it failed') };
    },
  };
}
