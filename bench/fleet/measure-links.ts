/** Links of simulated agents: what one costs as it begins, as it idles, and what its heartbeats cost. */
import { join } from 'node:path';
import { percentile } from '../percentile.ts';
import { readStats, sumTree } from '../process-tree.ts';
import { pinned } from '../started-process.ts';
import { benchLabd, costOf, type FleetStage, labdCore } from './stage.ts';

export type LinkCosts = {
  /** CPU from the first dial to the last HELLO_OK of the second half, over them. */
  acceptCpuMs: number;
  /** Memory that the second half takes, over them: the first half has paid for code and heap. */
  kibPerAgent: number;
  /** Memory of the whole process with all of them. */
  rssMib: number;
  /** Percent of a core without agents, and while they only beat. */
  emptyCpuPercent: number;
  idleCpuPercent: number;
  /** How long a request waits at most for the loop without agents, and while they beat: p99, ms; absent for the bare server. */
  emptyWaitMs?: number;
  idleWaitMs?: number;
  /** What the beats add to the first of these, over beats: PING and PONG, MSG, and what is written of them. */
  beatCpuUs: number;
};

const askEveryMs = 20;
const settleMs = 3_000;
const watchMs = 20_000;

const rssKibOf = (pid: number) => sumTree(pid, readStats()).rssBytes / 1024;

/** A server that does TLS, WebSocket, HELLO and PONG and nothing else. */
export async function measureBare(stage: FleetStage): Promise<LinkCosts> {
  const program = join(import.meta.dir, 'bare-server.ts');
  const words = [process.execPath, program, join(stage.folder, 'data/identity.pem'), stage.caFile];
  const command = pinned(words, labdCore);
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'inherit' });
  try {
    const { value } = await child.stdout.getReader().read();
    const { url } = JSON.parse(new TextDecoder().decode(value)) as { url: string };
    return await measureLinks(stage, child.pid, url);
  } finally {
    await stage.fakes.ask({ do: 'disconnect' });
    child.kill('SIGKILL');
    await child.exited;
  }
}

/** labd, freshly started: as after a restart, all of them come. */
export async function measureLabd(stage: FleetStage): Promise<LinkCosts> {
  await using labd = await benchLabd(stage.folder);
  const costs = await measureLinks(stage, labd.daemon.pid, labd.agents, labd.socket);
  await stage.fakes.ask({ do: 'disconnect' });
  return costs;
}

/** Asks over and over for so long: what holds the loop holds the answer. */
async function waitsOf(socket: string | undefined, ms: number): Promise<number | undefined> {
  if (socket === undefined) return undefined;
  const times: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until;) {
    const from = performance.now();
    await (await fetch('http://labd/healthz', { unix: socket })).text();
    times.push(performance.now() - from);
    await Bun.sleep(askEveryMs);
  }
  return percentile(
    times.toSorted((a, b) => a - b),
    0.99,
  );
}

async function measureLinks(
  { fakes, agents }: FleetStage,
  pid: number,
  url: string,
  socket?: string,
): Promise<LinkCosts> {
  const percent = ({ cpuMs, wallMs }: { cpuMs: number; wallMs: number }) => (cpuMs / wallMs) * 100;
  const half = Math.ceil(agents / 2);
  // Beats begin when the last one is there.
  const firstBeatMs = 4 * settleMs;
  await Bun.sleep(settleMs);
  const empty = await costOf(pid, () => Bun.sleep(watchMs / 2));
  const emptyWaitMs = await waitsOf(socket, watchMs / 2);
  await fakes.ask({ do: 'connect', url, count: half, firstBeatMs });
  await Bun.sleep(settleMs);
  const before = rssKibOf(pid);
  const storm = await costOf(pid, () => fakes.ask({ do: 'connect', url, firstBeatMs }));
  await Bun.sleep(settleMs);
  const rssKib = rssKibOf(pid);
  await Bun.sleep(firstBeatMs);
  const { beats } = await fakes.ask({ do: 'counts' });
  const idle = await costOf(pid, () => Bun.sleep(watchMs));
  const counts = await fakes.ask({ do: 'counts' });
  const idleWaitMs = await waitsOf(socket, watchMs);
  if (counts.connected !== agents) throw new Error(`${agents - counts.connected} of ${agents} agents were lost`);
  const added = idle.cpuMs - (empty.cpuMs / empty.wallMs) * idle.wallMs;
  return {
    acceptCpuMs: storm.cpuMs / (agents - half),
    kibPerAgent: (rssKib - before) / (agents - half),
    rssMib: rssKib / 1024,
    emptyCpuPercent: percent(empty),
    idleCpuPercent: percent(idle),
    ...(emptyWaitMs !== undefined && idleWaitMs !== undefined && { emptyWaitMs, idleWaitMs }),
    beatCpuUs: (added * 1_000) / (counts.beats - beats),
  };
}
