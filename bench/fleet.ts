import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type RunningLabd, startLabd } from '../tests/harness/start-labd.ts';
import { type FakeAgents, startFakeAgents } from '../tests/simulators/fleet/start-fake-agents.ts';
import { BenchClient, bundleOf, enrolUser, type UserIdentity } from './fleet/bench-client.ts';
import { median, percentile } from './percentile.ts';
import { readStats, sumTree } from './process-tree.ts';
import { cell, labmeshVersion, machineFacts, markdownTable, tidyMetrics, writeReport } from './report.ts';
import { canPin, pinned } from './started-process.ts';

/** One server with its simulated agents: CPU of a link's beginning, memory of an idle one, CPU while nothing happens. */
type Storm = { acceptMs: number; linkKib: number; idlePercent: number; beatUs: number };

const usage = (pid: number) => sumTree(pid, readStats());
const settleMs = 3_000;
const beatingMs = 15_000;
const execsAtOnce = 16;
/** No limit of labd is measured here. */
const toml = '[hub]\naccepts_per_s = 10000\n[limits]\nanonymous_per_min = 1000000\nexec_per_min = 1000000\n';

/** The simulated agents come through a proxy that is trusted, each with an address of its own. */
const labdOptions = (folder: string) =>
  ({ folder, toml, labd: 'trusted_proxies = ["127.0.0.1"]', logLevel: 'info' }) as const;

/**
 * What a fleet costs labd: links of simulated agents beside a server that does no more than TLS, WebSocket and HELLO
 * (the limit), both pinned to core 0, in turns; and commands over labd to those agents. Writes the report.
 */
export async function fleetBench(argv: readonly string[], owned: AsyncDisposableStack): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      agents: { type: 'string', default: '500' },
      rounds: { type: 'string', default: '3' },
      out: { type: 'string' },
    },
  });
  const [agents, rounds] = [Number(values.agents), Number(values.rounds)];
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-bench-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const fakes = owned.use(startFakeAgents(pinned([], 1)));
  const [user, enrolledPerS] = await enrolFleet(fakes, folder, agents);
  const storms: Record<'bare' | 'labd', Storm[]> = { bare: [], labd: [] };
  const execs: Record<string, number>[] = [];
  for (let round = 1; round <= rounds; round++) {
    console.error(`bench: round ${round} of ${rounds}`);
    storms.bare.push(await bareStorm(fakes, folder, agents));
    await using labd = await startLabd(labdOptions(folder));
    storms.labd.push(await storm(fakes, labd.daemon.pid, labd.agents, agents));
    execs.push(await measureExecs(fakes, labd, user, agents));
  }
  const metrics = { ...summary(storms, execs, agents), enrolled_per_s: enrolledPerS };
  const versions = { bun: Bun.version, labmesh: labmeshVersion() };
  const notes = canPin ? [] : ['taskset is missing: nothing was pinned'];
  const report = { bench: 'fleet', date: new Date().toISOString(), machine: machineFacts(canPin), versions };
  const path = writeReport({ ...report, metrics, notes }, values.out);
  console.log(`${fleetTable(metrics)}\n`);
  console.log(`Written to ${relative(process.cwd(), path)}`);
  return 0;
}

/** Enrols the agents, a key and a certificate each; gives the user of the bench, and certificates a second. */
async function enrolFleet(fakes: FakeAgents, folder: string, count: number): Promise<[UserIdentity, number]> {
  await using labd = await startLabd(labdOptions(folder));
  const token = { type: 'reusable', maxUses: count, ttlMs: 3_600_000 };
  const made = await labd.call<{ token: string }>('POST', '/api/tokens', token);
  const [bundlePem, from] = [await bundleOf(labd), performance.now()];
  await fakes.ask({ do: 'enrol', count, url: labd.agents, bundlePem, token: made.token });
  const perS = (count / (performance.now() - from)) * 1000;
  return [await enrolUser(labd, 'bench'), perS];
}

async function bareStorm(fakes: FakeAgents, folder: string, agents: number): Promise<Storm> {
  const program = join(import.meta.dir, 'fleet/bare-server.ts');
  const child = Bun.spawn([process.execPath, program, join(folder, 'data/identity.pem')], { stdout: 'pipe' });
  try {
    const { value } = await child.stdout.getReader().read();
    const { url } = JSON.parse(new TextDecoder().decode(value)) as { url: string };
    const measured = await storm(fakes, child.pid, url, agents);
    await fakes.ask({ do: 'disconnect' });
    return measured;
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}

/** All agents connect and then only beat; they are left connected. */
async function storm(fakes: FakeAgents, pid: number, url: string, agents: number): Promise<Storm> {
  if (canPin) Bun.spawnSync(['taskset', '-acp', '0', String(pid)]);
  // Once before it counts: code is compiled and the heap has grown.
  await fakes.ask({ do: 'connect', url, firstBeatMs: 60_000, count: Math.ceil(agents / 4) });
  await fakes.ask({ do: 'disconnect' });
  await Bun.sleep(settleMs);
  const before = usage(pid);
  await fakes.ask({ do: 'connect', url, firstBeatMs: settleMs });
  const acceptMs = (usage(pid).cpuUs - before.cpuUs) / 1000 / agents;
  await Bun.sleep(settleMs);
  const linkKib = (usage(pid).rssBytes - before.rssBytes) / 1024 / agents;
  const [idle, from, beats] = [usage(pid).cpuUs, performance.now(), (await fakes.ask({ do: 'counts' })).beats];
  await Bun.sleep(beatingMs);
  const cpuUs = usage(pid).cpuUs - idle;
  const beatUs = cpuUs / ((await fakes.ask({ do: 'counts' })).beats - beats);
  return { acceptMs, linkKib, idlePercent: cpuUs / 10 / (performance.now() - from), beatUs };
}

/** `true` on one agent after another over one warm link, then on all of them, some at a time. */
async function measureExecs(fakes: FakeAgents, labd: RunningLabd, user: UserIdentity, agents: number) {
  await using client = await BenchClient.connect(labd.api, user);
  const server = (index: number) => `fake-${(index % agents) + 1}`;
  for (let index = 0; index < 50; index++) await client.exec(server(index), ['true']);
  const times: number[] = [];
  for (let index = 0; index < 200; index++) times.push((await client.exec(server(index), ['true'])).wholeMs);
  const [cpu, from] = [usage(labd.daemon.pid).cpuUs, performance.now()];
  let next = 0;
  const worker = async () => {
    while (next < agents) await client.exec(server(next++), ['true']);
  };
  await Promise.all(Array.from({ length: execsAtOnce }, worker));
  const wholeMs = performance.now() - from;
  const cpuMs = (usage(labd.daemon.pid).cpuUs - cpu) / 1000 / agents;
  await fakes.ask({ do: 'disconnect' });
  const sorted = times.toSorted((a, b) => a - b);
  return {
    exec_p50_ms: percentile(sorted, 0.5),
    exec_p99_ms: percentile(sorted, 0.99),
    exec_cpu_ms: cpuMs,
    exec_per_s: (agents / wholeMs) * 1000,
  };
}

function summary(storms: Record<'bare' | 'labd', Storm[]>, execs: Record<string, number>[], agents: number) {
  const metrics: Record<string, number> = { agents };
  const of = (name: 'bare' | 'labd', key: keyof Storm) => median(storms[name].map((one) => one[key]));
  for (const name of ['bare', 'labd'] as const) {
    metrics[`accept_cpu_ms_${name}`] = of(name, 'acceptMs');
    metrics[`idle_link_kib_${name}`] = of(name, 'linkKib');
    metrics[`idle_cpu_percent_${name}`] = of(name, 'idlePercent');
  }
  metrics['beat_cpu_us'] = of('labd', 'beatUs');
  metrics['accept_cpu_ratio'] = of('labd', 'acceptMs') / of('bare', 'acceptMs');
  for (const key of Object.keys(execs[0] ?? {})) metrics[key] = median(execs.map((one) => one[key] ?? Number.NaN));
  return tidyMetrics(metrics);
}

function fleetTable(metrics: Record<string, number>): string {
  return markdownTable(
    ['metric', 'value'],
    Object.entries(metrics).map(([name, value]) => [name, cell(value, 2)]),
  );
}
