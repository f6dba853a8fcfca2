/** Commands over one warm link of a client: one after another, eight at a time, on many at once. */
import { startAgent } from '../../tests/harness/start-labd.ts';
import { median, percentile } from '../percentile.ts';
import { BenchClient } from './bench-client.ts';
import { measureStreams } from './measure-streams.ts';
import { benchLabd, costOf, type FleetStage, otherCore, pinTo } from './stage.ts';

const warmUp = 500;
const rounds = 5;
const execsOfRound = 200;
const inFlight = 8;
const fanOut = 500;
const realAgent = 'bench-1';

const at = (times: readonly number[], share: number) =>
  percentile(
    times.toSorted((a, b) => a - b),
    share,
  );

/** `true` with its outputs read, as an agent does it. */
async function spawnHere(): Promise<number> {
  const from = performance.now();
  const child = Bun.spawn(['true'], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return performance.now() - from;
}

type Exec = (index: number, more?: { noRecord: boolean }) => Promise<number>;

/** Rounds take turns, so that what else the machine does meets all of them. */
async function measureSequential(simulated: Exec, real: Exec, pid: number): Promise<Record<string, number>> {
  const times: Record<'recorded' | 'unrecorded' | 'real' | 'local', number[]> = {
    recorded: [],
    unrecorded: [],
    real: [],
    local: [],
  };
  const costs: { cpuMs: number }[] = [];
  for (let index = 0; index < warmUp; index++) await simulated(index, { noRecord: index % 4 === 0 });
  for (let round = 0; round < rounds; round++) {
    const each = async (into: number[], run: (index: number) => Promise<number>) => {
      for (let index = 0; index < execsOfRound; index++) into.push(await run(index));
    };
    costs.push(await costOf(pid, () => each(times.recorded, simulated)));
    await each(times.unrecorded, (index) => simulated(index, { noRecord: true }));
    await each(times.real, real);
    await each(times.local, spawnHere);
  }
  return {
    exec_p50_ms: at(times.recorded, 0.5),
    exec_p99_ms: at(times.recorded, 0.99),
    exec_cpu_ms: median(costs.map(({ cpuMs }) => cpuMs / execsOfRound)),
    exec_unrecorded_p50_ms: at(times.unrecorded, 0.5),
    exec_real_p50_ms: at(times.real, 0.5),
    local_spawn_p50_ms: at(times.local, 0.5),
    exec_real_ratio_local_spawn: at(times.real, 0.5) / at(times.local, 0.5),
  };
}

/** `atOnce` under way until `count` are done; gives how many a second, and labd's CPU of one. */
async function measureParallel(simulated: Exec, pid: number, atOnce: number, count: number) {
  let next = 0;
  const worker = async () => {
    while (next < count) await simulated(next++);
  };
  const { cpuMs, wallMs } = await costOf(pid, () => Promise.all(Array.from({ length: atOnce }, worker)));
  return { perS: (count / wallMs) * 1_000, cpuMs: cpuMs / count, wallMs };
}

/** All agents are connected and beat meanwhile. The simulated ones start no process. */
export async function measureSessions(stage: FleetStage): Promise<Record<string, number>> {
  await using labd = await benchLabd(stage.folder);
  const { pid } = labd.daemon;
  await using agent = await startAgent(labd, realAgent, { logLevel: 'info' });
  pinTo(agent.daemon.pid, otherCore);
  await stage.fakes.ask({ do: 'connect', url: labd.agents });
  await using client = await BenchClient.connect(labd.api, stage.user);
  const run = async (server: string, more: { noRecord?: boolean } = {}) =>
    (await client.exec(server, ['true'], more)).wholeMs;
  const simulated: Exec = (index, more) => run(`fake-${(index % stage.agents) + 1}`, more);
  const sequential = await measureSequential(simulated, () => run(realAgent), pid);
  const parallel = [];
  const wide = [];
  for (let round = 0; round < rounds; round++) {
    parallel.push(await measureParallel(simulated, pid, inFlight, 5 * execsOfRound));
    wide.push(await measureParallel(simulated, pid, fanOut, fanOut));
  }
  await stage.fakes.ask({ do: 'disconnect' });
  const fanOutMs = median(wide.map(({ wallMs }) => wallMs));
  return {
    ...sequential,
    exec_parallel_per_s: median(parallel.map(({ perS }) => perS)),
    exec_parallel_cpu_ms: median(parallel.map(({ cpuMs }) => cpuMs)),
    fan_out_ms: fanOutMs,
    fan_out_ratio: fanOutMs / (sequential['exec_real_p50_ms'] ?? Number.NaN),
    ...(await measureStreams({ client, labd, agent, stage })),
  };
}
