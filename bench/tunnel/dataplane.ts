/**
 * The native data plane against wireguard-go (spec tunnel.md A16): two hosts as network namespaces on one bridge, both
 * tunnels between them, one TCP stream at a time, runs in turns.
 */
import { type NetworkLab, networkLabMissing, openNetworkLab } from '../../tests/harness/network-lab.ts';
import { JsonProcess } from '../../tests/harness/tunnel/json-process.ts';
import {
  openTunnelEnds,
  proxyPort,
  type TunnelEnd,
  wireguardGoMissing,
} from '../../tests/harness/tunnel/tunnel-ends.ts';
import { median } from '../percentile.ts';
import { readStats, sumTree } from '../process-tree.ts';
import { type AeadRate, measureAead } from './plane/aead-rate.ts';
import { measureQuiet, type QuietFigures } from './quiet-tunnel.ts';

/** `toNode`: the hub sends; `toHub`: the node sends. */
export type Direction = 'toNode' | 'toHub';
/** CPU of both tunnel processes together, seconds per 10^9 bytes of the stream. */
export type StreamFigures = { mbitPerS: number; cpuSPerGb: number };
export type DataPlaneFigures = {
  /** Medians. */
  native: Record<Direction, StreamFigures>;
  wireguardGo: Record<Direction, StreamFigures>;
  aead: AeadRate[];
  /** Of the native one. */
  quiet: QuietFigures;
};

export type DataPlaneEffort = { repeats: number; seconds: number };

type Tunnel = { hub: TunnelEnd; node: TunnelEnd };

const [hubHost, nodeHost] = ['a', 'b'];
const streamEnd = new URL('./stream-end.ts', import.meta.url).pathname;

/** Why this cannot be measured here, or undefined. */
export function dataPlaneMissing(): string | undefined {
  return wireguardGoMissing() ?? networkLabMissing();
}

/** @throws Error when a tunnel does not come up; nothing is left then. */
export async function measureDataPlane({ repeats, seconds }: DataPlaneEffort): Promise<DataPlaneFigures> {
  const aead = await measureAead();
  await using lab = await openNetworkLab([hubHost, nodeHost]);
  await using owned = new AsyncDisposableStack();
  const hosts = { hubHost, nodeHost };
  const native = await openTunnelEnds(lab, { ...hosts, hub: 'native', node: 'native' }, owned);
  const others = { ...hosts, prefix: '10.91.0', port: 51821 };
  const wireguardGo = await openTunnelEnds(lab, { ...others, hub: 'wireguard-go', node: 'wireguard-go' }, owned);
  const runs = { native: emptyRuns(), wireguardGo: emptyRuns() };
  for (let round = 0; round < repeats; round += 1) {
    for (const direction of ['toNode', 'toHub'] as const) {
      runs.native[direction].push(await stream(lab, native, direction, seconds));
      runs.wireguardGo[direction].push(await stream(lab, wireguardGo, direction, seconds));
    }
  }
  const quiet = await measureQuiet(lab, native, repeats);
  return { native: medians(runs.native), wireguardGo: medians(runs.wireguardGo), aead, quiet };
}

type Runs = Record<Direction, StreamFigures[]>;
const emptyRuns = (): Runs => ({ toNode: [], toHub: [] });

function medians(runs: Runs): Record<Direction, StreamFigures> {
  const middle = (figures: StreamFigures[]): StreamFigures => ({
    mbitPerS: median(figures.map((one) => one.mbitPerS)),
    cpuSPerGb: median(figures.map((one) => one.cpuSPerGb)),
  });
  return { toNode: middle(runs.toNode), toHub: middle(runs.toHub) };
}

/** One stream of some seconds. The hub always calls, as a node takes no calls but to its proxy. */
async function stream(lab: NetworkLab, tunnel: Tunnel, direction: Direction, seconds: number): Promise<StreamFigures> {
  const toNode = direction === 'toNode';
  const command = (opens: string, does: string) => [
    process.execPath,
    streamEnd,
    opens,
    does,
    tunnel.node.address,
    String(proxyPort),
    String(seconds),
  ];
  await using node = new JsonProcess(lab.command(nodeHost, command('listen', toNode ? 'receive' : 'send')));
  await node.next();
  await using hub = new JsonProcess(lab.command(hubHost, command('connect', toNode ? 'send' : 'receive')));
  const receiver = toNode ? node : hub;
  await receiver.next();
  const before = cpuUs(tunnel);
  const { bytes, ms } = await receiver.next();
  const spentUs = cpuUs(tunnel) - before;
  return { mbitPerS: (Number(bytes) * 8) / 1000 / Number(ms), cpuSPerGb: (spentUs * 1e3) / Number(bytes) };
}

function cpuUs({ hub, node }: Tunnel): number {
  const stats = readStats();
  return sumTree(hub.pid, stats).cpuUs + sumTree(node.pid, stats).cpuUs;
}
