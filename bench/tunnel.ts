import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { cell, type Goal, labmeshVersion, machineFacts, markdownTable, missedGoals, writeReport } from './report.ts';
import { type DataPlaneFigures, dataPlaneMissing, measureDataPlane } from './tunnel/dataplane.ts';
import { measureMceliece } from './tunnel/mceliece.ts';
import { measureRosenpass } from './tunnel/rosenpass.ts';

/** Milliseconds and shares are CPU; `_u` is in units of one SHAKE256 over a public key on this machine. */
const goals: readonly Goal[] = [
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
];
const streamGoals: readonly Goal[] = [
  { metric: 'stream_to_node_ratio', min: 0.4 },
  { metric: 'stream_to_hub_ratio', min: 0.4 },
  { metric: 'stream_to_node_cpu_ratio', max: 2.5 },
  { metric: 'stream_to_hub_cpu_ratio', max: 2.5 },
];

const prefixed = (name: string, figures: Record<string, number>) =>
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${name}_${key}`, value]));

/** Native beside wireguard-go, which is the limit: both in one run, in turns. */
function streamMetrics({ native, wireguardGo, aead }: DataPlaneFigures): Record<string, number> {
  const metrics: Record<string, number> = {};
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

/** `npm run bench -- tunnel`: cryptography, handshake, refused junk, and the own data plane beside wireguard-go. */
export async function tunnelBench(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      repeats: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      out: { type: 'string' },
    },
  });
  console.error('bench: Classic McEliece');
  const metrics: Record<string, number> = prefixed('mceliece', measureMceliece());
  console.error('bench: Rosenpass');
  Object.assign(metrics, prefixed('handshake', await measureRosenpass()));
  const missing = dataPlaneMissing();
  if (missing === undefined) {
    console.error('bench: streams, in turns with wireguard-go');
    const effort = { repeats: Number(values.repeats), seconds: Number(values.seconds) };
    Object.assign(metrics, streamMetrics(await measureDataPlane(effort)));
  }
  const versions = { bun: Bun.version, labmesh: labmeshVersion() };
  const notes = missing === undefined ? [] : [`streams were not measured: ${missing}`];
  const report = { bench: 'tunnel', date: new Date().toISOString(), machine: machineFacts(false), versions };
  const path = writeReport({ ...report, metrics, notes }, values.out);
  const rows = Object.entries(metrics).toSorted(([one], [two]) => (one < two ? -1 : 1));
  console.log(
    markdownTable(
      ['metric', 'value'],
      rows.map(([name, value]) => [name, cell(value, 3)]),
    ),
  );
  console.log(`\nWritten to ${relative(process.cwd(), path)}`);
  const missed = missedGoals(metrics, missing === undefined ? [...goals, ...streamGoals] : goals);
  for (const line of missed) console.log(`missed: ${line}`);
  return missed.length === 0 ? 0 : 1;
}
