/** What our own data plane adds to a stream of events, and what it costs while nothing is said (spec tunnel.md A16). */
import type { NetworkLab } from '../../tests/harness/network-lab.ts';
import { JsonProcess } from '../../tests/harness/tunnel/json-process.ts';
import { proxyPort, type TunnelEnd } from '../../tests/harness/tunnel/tunnel-ends.ts';
import { median, percentile } from '../percentile.ts';
import { readStats, sumTree } from '../process-tree.ts';

type Tunnel = { hub: TunnelEnd; node: TunnelEnd };
type Delays = { p50Us: number; p99Us: number };

export type QuietFigures = {
  /** Medians over the rounds; the hub reads from the node, and the node's own host from itself. */
  tunnel: Delays;
  loopback: Delays;
  /** Of the end that needs more, percent of a core; the keepalives of every 25 s with it. */
  idleCpuPercent: number;
};

const eventEnd = new URL('./event-end.ts', import.meta.url).pathname;
const loopback = '127.0.0.1';
const events = 400;
/** /proc counts in grains of 10 ms: with these, one grain is a twentieth of what is allowed. */
const idleMs = 40_000;
const settleMs = 2_000;

async function readEvents(lab: NetworkLab, from: string, host: string): Promise<Delays> {
  const words = ['read', String(proxyPort), host, String(events)];
  await using reader = new JsonProcess(lab.command(from, [process.execPath, eventEnd, ...words]));
  const { delaysUs } = (await reader.next()) as { delaysUs: number[] };
  const sorted = delaysUs.toSorted((one, two) => one - two);
  return { p50Us: percentile(sorted, 0.5), p99Us: percentile(sorted, 0.99) };
}

const middle = (rounds: readonly Delays[]): Delays => ({
  p50Us: median(rounds.map(({ p50Us }) => p50Us)),
  p99Us: median(rounds.map(({ p99Us }) => p99Us)),
});

async function idleCpuPercent({ hub, node }: Tunnel): Promise<number> {
  await Bun.sleep(settleMs);
  const cpuUs = () => {
    const stats = readStats();
    return [hub, node].map(({ pid }) => sumTree(pid, stats).cpuUs);
  };
  const [before, from] = [cpuUs(), performance.now()];
  await Bun.sleep(idleMs);
  const wallUs = (performance.now() - from) * 1_000;
  return Math.max(...cpuUs().map((now, at) => ((now - (before[at] ?? now)) / wallUs) * 100));
}

/** Rounds in turns, so that what else the machine does meets both. */
export async function measureQuiet(lab: NetworkLab, tunnel: Tunnel, rounds: number): Promise<QuietFigures> {
  const { hub, node } = tunnel;
  const serve = [process.execPath, eventEnd, 'serve', String(proxyPort), `${node.address},${loopback}`];
  const through: Delays[] = [];
  const direct: Delays[] = [];
  {
    await using server = new JsonProcess(lab.command(node.host, serve));
    await server.next();
    for (let round = 0; round < rounds; round += 1) {
      through.push(await readEvents(lab, hub.host, node.address));
      direct.push(await readEvents(lab, node.host, loopback));
    }
  }
  return { tunnel: middle(through), loopback: middle(direct), idleCpuPercent: await idleCpuPercent(tunnel) };
}
