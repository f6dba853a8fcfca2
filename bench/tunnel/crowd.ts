/**
 * A hub and many nodes that exchange keys with it (spec tunnel.md A14): 500 of them under junk whose mac fits, and 2,500
 * in peace, each for longer than a key lives, so that every node was served meanwhile. Three processes: hub, nodes, junk.
 */
import { rmSync } from 'node:fs';
import { JsonProcess } from '../../tests/harness/tunnel/json-process.ts';
import { percentile } from '../percentile.ts';
import { readStats, sumTree } from '../process-tree.ts';

type Crowd = { nodes: number; junkPerS: number; soakMs: number };
type Look = { active: number; lateMs: number[] };

const junkSources = 200;
/** Joining takes 25 ms a node; a loaded machine is given ten times as long. */
const joinMsPerNode = 250;
const joinMsLeast = 60_000;
const lookMs = 1_000;

const program = (name: string, ...words: string[]) => [
  process.execPath,
  new URL(`./${name}`, import.meta.url).pathname,
  ...words,
];
const p99 = (late: number[]) =>
  percentile(
    late.toSorted((one, two) => one - two),
    0.99,
  );
const cpuMs = (pid: number) => sumTree(pid, readStats()).cpuUs / 1_000;

class Watch {
  readonly #hub: JsonProcess;
  readonly late: number[] = [];
  least = Infinity;

  constructor(hub: JsonProcess) {
    this.#hub = hub;
  }

  async look(): Promise<number> {
    const { active, lateMs } = (await this.#hub.ask({ look: true })) as Look;
    // One by one: a spread of a long list is an argument list.
    for (const one of lateMs) this.late.push(one);
    this.least = Math.min(this.least, active);
    return active;
  }

  async lookFor(ms: number): Promise<void> {
    for (const until = performance.now() + ms; performance.now() < until;) {
      await Bun.sleep(lookMs);
      await this.look();
    }
  }
}

/** Until all are active, or time is up: then the share tells it. */
async function waitForAll(hub: JsonProcess, nodes: number): Promise<void> {
  const watch = new Watch(hub);
  const until = performance.now() + Math.max(joinMsLeast, nodes * joinMsPerNode);
  while ((await watch.look()) < nodes && performance.now() < until) await Bun.sleep(lookMs);
}

/** One crowd from its first key to the end of its soak. */
async function measureOne({ nodes, junkPerS, soakMs }: Crowd, quietMs: number): Promise<Record<string, number>> {
  await using hub = new JsonProcess(program('crowd-hub.ts'));
  const { port, keysDir, publicKeyPath } = await hub.next();
  const [at, key] = [String(port), String(publicKeyPath)];
  // It is ended by a signal, and leaves half a megabyte a node.
  using kept = new DisposableStack();
  kept.defer(() => rmSync(String(keysDir), { recursive: true, force: true }));
  await using crowd = new JsonProcess(program('crowd-nodes.ts', at, String(keysDir), key, String(nodes)));
  const { fingerprints } = await crowd.next();
  await hub.ask({ add: fingerprints });
  await crowd.ask({ begin: true });
  await waitForAll(hub, nodes);
  const quiet = new Watch(hub);
  await quiet.lookFor(quietMs);
  await using junk =
    junkPerS === 0
      ? undefined
      : new JsonProcess(program('junk-source.ts', at, key, String(junkPerS), String(junkSources)));
  await junk?.next();
  const [cpu, from] = [cpuMs(hub.pid), performance.now()];
  const watch = new Watch(hub);
  await watch.lookFor(soakMs);
  const wallMs = performance.now() - from;
  const sent = junk === undefined ? 0 : Number((await junk.ask({ look: true }))['sent']);
  return {
    active_share: watch.least / nodes,
    loop_p99_ms: p99(watch.late),
    loop_p99_ms_quiet: p99(quiet.late),
    hub_cpu_percent: ((cpuMs(hub.pid) - cpu) / wallMs) * 100,
    ...(junkPerS > 0 && { junk_per_s: (sent / wallMs) * 1_000 }),
  };
}

/** `active_share` is the least of any second. About ten minutes with a soak of 200 s. */
export async function measureCrowd(soakMs: number): Promise<Record<string, number>> {
  const metrics: Record<string, number> = {};
  for (const [name, crowd] of [
    ['junk_500', { nodes: 500, junkPerS: 2_000, soakMs }],
    ['2500', { nodes: 2_500, junkPerS: 0, soakMs }],
  ] as const) {
    const found = await measureOne(crowd, Math.min(soakMs, 30_000));
    for (const [key, value] of Object.entries(found)) metrics[`crowd_${name}_${key}`] = value;
  }
  return metrics;
}
