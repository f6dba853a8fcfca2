/**
 * What it takes to start labctl (fleet plane 3, and 6 point 17): the single file, as people have it, beside an empty
 * program of the same Bun. In turns, so that what else the machine does meets all of them.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { environment, startAgent, startLabd } from '../tests/harness/start-labd.ts';
import { median } from './percentile.ts';
import {
  cell,
  type Goal,
  labmeshVersion,
  machineFacts,
  markdownTable,
  missedGoals,
  repositoryRoot,
  writeReport,
} from './report.ts';

const goals: readonly Goal[] = [
  { metric: 'version_ratio_empty', max: 5 },
  { metric: 'exec_ms', max: 40 },
];
const warmUp = 2;
const server = 'bench-1';

type Way = { command: readonly string[]; env: Record<string, string> };
type Cost = { wallMs: number; cpuMs: number };

/** @throws Error when the program fails: a start that did nothing would be a good figure. */
async function startOnce({ command, env }: Way): Promise<Cost> {
  const from = performance.now();
  const child = Bun.spawn([...command], { env, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
  const code = await child.exited;
  const wallMs = performance.now() - from;
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`);
  // Microseconds; TypeScript's libraries have them as numbers or big ones.
  return { wallMs, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1_000 };
}

/** A program that ends at once, made in the way that labctl is. */
async function makeEmpty(folder: string): Promise<string> {
  const [source, program] = [join(folder, 'empty.ts'), join(folder, 'empty')];
  writeFileSync(source, 'process.exit(0);\n');
  const words = ['build', '--compile', '--bytecode', '--format=esm', `--outfile=${program}`, source];
  const child = Bun.spawn([process.execPath, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
  if ((await child.exited) !== 0) throw new Error('the empty program was not made');
  return program;
}

/** Wall time and CPU (user + sys of the process) of each way, ms: medians. */
async function measureWays(ways: Record<string, Way>, rounds: number): Promise<Record<string, number>> {
  const found = new Map<string, Cost[]>(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const cost = await startOnce(way);
      if (round >= warmUp) found.get(name)?.push(cost);
    }
  }
  const metrics: Record<string, number> = {};
  for (const [name, costs] of found) {
    metrics[`${name}_ms`] = median(costs.map(({ wallMs }) => wallMs));
    metrics[`${name}_cpu_ms`] = median(costs.map(({ cpuMs }) => cpuMs));
    metrics[`${name}_cpu_ms_least`] = Math.min(...costs.map(({ cpuMs }) => cpuMs));
  }
  return metrics;
}

async function measure(labctl: string, rounds: number): Promise<Record<string, number>> {
  await using labd = await startLabd({ logLevel: 'info' });
  await using agent = await startAgent(labd, server, { logLevel: 'info' });
  const login = await labd.labctl('login', labd.api, '--local', '--user', 'bench');
  if (login.exitCode !== 0) throw new Error(login.stderr);
  const nowhere = mkdtempSync(join(tmpdir(), 'labmesh-bench-'));
  try {
    const env = { ...environment(labd.folder), LABCTL_ADMIN_SOCKET: labd.socket };
    const ways = {
      empty: { command: [await makeEmpty(nowhere)], env },
      // Of a machine that knows no labd: with one, most of it would be the question to that.
      version: { command: [labctl, 'version'], env: environment(nowhere) },
      exec: { command: [labctl, 'exec', agent.hostname, '--', 'true'], env },
      exec_local: { command: [labctl, 'exec', agent.hostname, '--local', '--', 'true'], env },
    };
    const metrics = await measureWays(ways, rounds);
    const ratio = (metrics['version_cpu_ms'] ?? Number.NaN) / (metrics['empty_cpu_ms'] ?? Number.NaN);
    return { ...metrics, version_ratio_empty: ratio };
  } finally {
    rmSync(nowhere, { recursive: true, force: true });
  }
}

/** `npm run bench -- start`. Exit code 1: `--assert` and a goal missed; 2: there is no single file to start. */
export async function startBench(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      program: { type: 'string', default: join(repositoryRoot, 'dist/labctl') },
      rounds: { type: 'string', default: '40' },
      out: { type: 'string' },
      assert: { type: 'boolean', default: false },
    },
  });
  if (!existsSync(values.program)) {
    console.error(`${values.program} is not there: npm run build makes it`);
    return 2;
  }
  const load = loadavg()[0] ?? 0;
  const metrics = await measure(values.program, Number(values.rounds));
  const notes = load > 0.5 ? [`other work ran as it began (load ${load.toFixed(1)}): repeat it`] : [];
  const versions = { bun: Bun.version, labmesh: labmeshVersion() };
  const report = { bench: 'start', date: new Date().toISOString(), machine: machineFacts(false), versions };
  const path = writeReport({ ...report, metrics, notes }, values.out);
  const rows = Object.entries(metrics).toSorted(([one], [two]) => (one < two ? -1 : 1));
  console.log(
    markdownTable(
      ['metric', 'value'],
      rows.map(([name, value]) => [name, cell(value, 1)]),
    ),
  );
  console.log(`\nWritten to ${relative(process.cwd(), path)}`);
  const missed = missedGoals(metrics, goals);
  for (const goal of missed) console.log(`GOAL MISSED ${goal}`);
  return values.assert && missed.length > 0 ? 1 : 0;
}
