import { loadavg } from 'node:os';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { cell, type Goal, labmeshVersion, machineFacts, markdownTable, missedGoals, writeReport } from './report.ts';
import { measureCrowd } from './tunnel/crowd.ts';
import { type DataPlaneFigures, dataPlaneMissing, measureDataPlane } from './tunnel/dataplane.ts';
import { measureMceliece } from './tunnel/mceliece.ts';
import { measureRandomDatagrams } from './tunnel/plane/random-datagrams.ts';
import { measureRosenpass } from './tunnel/rosenpass.ts';

/** Milliseconds and shares are CPU; `_u` is in units of one SHAKE256 over a public key on this machine. */
const keyGoals: readonly Goal[] = [
  { metric: 'mceliece_encaps_ms', max: 1 },
  { metric: 'mceliece_decaps_ms', max: 40 },
  { metric: 'mceliece_encaps_u', max: 0.5 },
  { metric: 'mceliece_decaps_u', max: 30 },
  { metric: 'mceliece_generate_u', max: 600 },
  { metric: 'handshake_v03_both_ms', max: 120 },
  { metric: 'handshake_v03_both_u', max: 65 },
  { metric: 'handshake_v02_over_v03', max: 1.4 },
  { metric: 'handshake_junk_mac_u', max: 0.02 },
  { metric: 'handshake_junk_rate_u', max: 0.02 },
  { metric: 'dataplane_random_throughput_share', min: 0.8 },
];
const streamGoals: readonly Goal[] = [
  { metric: 'stream_to_node_ratio', min: 0.4 },
  { metric: 'stream_to_hub_ratio', min: 0.4 },
  { metric: 'stream_to_node_cpu_ratio', max: 2.5 },
  { metric: 'stream_to_hub_cpu_ratio', max: 2.5 },
  { metric: 'events_added_p50_ms', max: 1 },
  { metric: 'idle_cpu_percent', max: 0.5 },
];
/** A14, and D3 as nodes see it. Shares of the nodes: with a key in the worst second, with a new one by the end. */
const junkGoals: readonly Goal[] = [
  { metric: 'crowd_junk_500_active_share', min: 1 },
  { metric: 'crowd_junk_500_renewed_share', min: 1 },
  { metric: 'crowd_junk_500_loop_p99_ms', max: 20 },
  { metric: 'crowd_junk_500_exchange_p99_ms', max: 2_000 },
  { metric: 'crowd_junk_500_newcomers_p90_ms', max: 2_000 },
];
const crowdGoals: readonly Goal[] = [
  { metric: 'crowd_2500_active_share', min: 0.999 },
  { metric: 'crowd_2500_renewed_share', min: 0.999 },
  { metric: 'crowd_2500_loop_p99_ms', max: 20 },
];
const parts = ['keys', 'streams', 'junk', 'crowd'] as const;

const prefixed = (name: string, figures: Record<string, number>) =>
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${name}_${key}`, value]));

/** Native beside wireguard-go, which is the limit: both in one run, in turns. */
function streamMetrics({ native, wireguardGo, aead, quiet }: DataPlaneFigures): Record<string, number> {
  const { tunnel, loopback, idleCpuPercent } = quiet;
  const metrics: Record<string, number> = {
    idle_cpu_percent: idleCpuPercent,
    events_added_p50_ms: (tunnel.p50Us - loopback.p50Us) / 1_000,
    events_tunnel_p50_us: tunnel.p50Us,
    events_tunnel_p99_us: tunnel.p99Us,
    events_loopback_p50_us: loopback.p50Us,
    events_loopback_p99_us: loopback.p99Us,
  };
  for (const [direction, name] of [
    ['toNode', 'to_node'],
    ['toHub', 'to_hub'],
  ] as const) {
    const [own, limit] = [native[direction], wireguardGo[direction]];
    metrics[`stream_${name}_mbit_native`] = own.mbitPerS;
    metrics[`stream_${name}_mbit_wireguard_go`] = limit.mbitPerS;
    metrics[`stream_${name}_ratio`] = own.mbitPerS / limit.mbitPerS;
    metrics[`stream_${name}_cpu_s_per_gb_native`] = own.cpuSPerGb;
    metrics[`stream_${name}_cpu_s_per_gb_wireguard_go`] = limit.cpuSPerGb;
    metrics[`stream_${name}_cpu_ratio`] = own.cpuSPerGb / limit.cpuSPerGb;
  }
  for (const { name, sealPerS, openPerS } of aead) {
    metrics[`aead_${name}_seal_per_s`] = sealPerS;
    metrics[`aead_${name}_open_per_s`] = openPerS;
  }
  return metrics;
}

type Effort = { repeats: number; seconds: number; soakMs: number; only: readonly string[] };
type Measured = { metrics: Record<string, number>; goals: Goal[]; notes: string[] };

/** The parts that are wanted, with what each has to keep. */
async function measure({ repeats, seconds, soakMs, only }: Effort): Promise<Measured> {
  const found: Measured = { metrics: {}, goals: [], notes: [] };
  const take = (metrics: Record<string, number>, bounds: readonly Goal[]) => {
    Object.assign(found.metrics, metrics);
    found.goals.push(...bounds);
  };
  if (only.includes('keys')) {
    console.error('bench: Classic McEliece');
    take(prefixed('mceliece', measureMceliece()), keyGoals);
    console.error('bench: Rosenpass');
    take(prefixed('handshake', await measureRosenpass()), []);
    console.error('bench: a session under random datagrams');
    take(prefixed('dataplane', await measureRandomDatagrams()), []);
  }
  const missing = only.includes('streams') ? dataPlaneMissing() : undefined;
  if (missing !== undefined) found.notes.push(`streams were not measured: ${missing}`);
  else if (only.includes('streams')) {
    console.error('bench: streams, in turns with wireguard-go');
    take(streamMetrics(await measureDataPlane({ repeats, seconds })), streamGoals);
  }
  if (only.includes('junk')) {
    console.error('bench: a hub with 500 nodes, under junk');
    take(await measureCrowd('junk_500', soakMs), junkGoals);
  }
  if (only.includes('crowd')) {
    console.error('bench: a hub with 2,500 nodes');
    take(await measureCrowd('2500', soakMs), crowdGoals);
  }
  return found;
}

/**
 * `npm run bench -- tunnel`: cryptography, handshake and refused junk, the own data plane beside wireguard-go, crowds of
 * nodes. `--only keys,streams,junk,crowd` for parts: then nothing is written unless `--out` says where.
 */
export async function tunnelBench(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      repeats: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      /** Of each crowd, seconds: longer than nodes wait from one exchange to the next, else renewals are not counted. */
      soak: { type: 'string', default: '130' },
      only: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const load = loadavg()[0] ?? 0;
  const { repeats, seconds, soak, only, out } = values;
  const effort = { repeats: Number(repeats), seconds: Number(seconds), soakMs: Number(soak) * 1_000 };
  const { metrics, goals, notes } = await measure({ ...effort, only: only?.split(',') ?? parts });
  if (load > 0.5) notes.push(`other work ran as it began (load ${load.toFixed(1)}): repeat it`);
  const rows = Object.entries(metrics).toSorted(([one], [two]) => (one < two ? -1 : 1));
  console.log(
    markdownTable(
      ['metric', 'value'],
      rows.map(([name, value]) => [name, cell(value, 3)]),
    ),
  );
  if (only === undefined || out !== undefined) {
    const versions = { bun: Bun.version, labmesh: labmeshVersion() };
    const report = { bench: 'tunnel', date: new Date().toISOString(), machine: machineFacts(false), versions };
    console.log(`\nWritten to ${relative(process.cwd(), writeReport({ ...report, metrics, notes }, out))}`);
  }
  const missed = missedGoals(metrics, goals);
  for (const line of missed) console.log(`missed: ${line}`);
  return missed.length === 0 ? 0 : 1;
}
