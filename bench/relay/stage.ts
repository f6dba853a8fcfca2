import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { LoadMode } from '../load/load-plan.ts';
import type { LoadResult } from '../load/window.ts';
import { repositoryRoot } from '../report.ts';
import { pinned, StartedProcess } from '../started-process.ts';
import { startLabmesh } from './labmesh.ts';
import { startNginx } from './nginx.ts';
import { startPortkey } from './portkey.ts';
import { checkTarget, type Target, type TargetName } from './target.ts';

/** The target alone on one core; load and upstream on the others, or together on the second one. */
const cores = availableParallelism();
const targetCore = 0;
const loadCore = Math.min(1, cores - 1);
const upstreamCore = Math.min(2, cores - 1);

export type LoadRun = {
  mode: LoadMode;
  connections: number;
  seconds: number;
  warmupMs: number;
  rate?: number;
  requests?: number;
};

/** Everything that runs: the mock upstream and the targets that could be had. */
export type Stage = {
  upstream: StartedProcess;
  targets: Map<TargetName, Target>;
  /** Why a target is missing. */
  missing: Map<TargetName, string>;
};

/** The mock upstream, and the port it listens on. */
export async function startUpstream(
  folder: string,
  owned: AsyncDisposableStack,
): Promise<{ upstream: StartedProcess; port: number }> {
  const command = [process.execPath, join(repositoryRoot, 'bench/upstream.ts')];
  const upstream = owned.use(new StartedProcess({ name: 'upstream', command, core: upstreamCore, folder }));
  return { upstream, port: Number((await upstream.readyLine()).port) };
}

/** Starts upstream and targets and asks each once. Throws Error when ours does not work; others are then missing. */
export async function startStage(folder: string, owned: AsyncDisposableStack, command: string): Promise<Stage> {
  const { upstream, port: upstreamPort } = await startUpstream(folder, owned);
  const setup = { folder, core: targetCore, upstreamPort };
  const url = `http://127.0.0.1:${upstreamPort}/v1`;
  const direct: Target = { name: 'direct', url, headers: [], model: 'bench-model', process: upstream, version: '' };
  const stage: Stage = { upstream, targets: new Map([['direct', direct]]), missing: new Map() };
  const starts = [
    ['nginx', () => startNginx(setup, owned)],
    ['labmesh', () => startLabmesh(setup, owned, command)],
    ['portkey', () => startPortkey(setup, owned)],
  ] as const;
  for (const [name, start] of starts) {
    try {
      const target = await start();
      await checkTarget(target);
      stage.targets.set(name, target);
    } catch (error) {
      if (name === 'labmesh') throw error;
      stage.missing.set(name, error instanceof Error ? error.message : String(error));
    }
  }
  return stage;
}

/** One run of the load generator in its own pinned process. Throws Error when it fails itself. */
export async function runLoad(stage: Pick<Stage, 'upstream'>, target: Target, run: LoadRun): Promise<LoadResult> {
  const flags: Record<string, string | number> = {
    url: target.url,
    model: target.model,
    mode: run.mode,
    connections: run.connections,
    seconds: run.seconds,
    'warmup-ms': run.warmupMs,
    ...(run.rate === undefined ? {} : { rate: run.rate }),
    ...(run.requests === undefined ? {} : { requests: run.requests }),
  };
  const load = [process.execPath, join(repositoryRoot, 'bench/load.ts')];
  const command = [...(run.mode === 'paced' ? yielding : []), ...load];
  for (const [name, value] of Object.entries(flags)) command.push(`--${name}`, String(value));
  for (const header of target.headers) command.push('--header', header);
  command.push('--watch', `target=${target.process.pid}`, '--watch', `upstream=${stage.upstream.pid}`);
  const child = Bun.spawn(pinned(command, loadCore), { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [output, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`load generator ended with ${code}: ${errors.slice(-1000)}`);
  return JSON.parse(output) as LoadResult;
}

/** The paced loop polls the clock; as SCHED_IDLE it gives way at once when the upstream on its core has work. */
const yielding = Bun.which('chrt') === null ? [] : ['chrt', '-i', '0'];
