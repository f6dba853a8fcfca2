/**
 * A hub and many nodes that exchange keys with it (spec tunnel.md A14): 500 of them under junk whose mac fits, and 2,500
 * in peace, each for longer than it is from one exchange of a node to the next. Processes: the hub, the nodes, the junk, and
 * one that does nothing, whose timers tell what else the machine does.
 */
import { rmSync } from 'node:fs';
import { JsonProcess } from '../../tests/harness/tunnel/json-process.ts';
import { percentile } from '../percentile.ts';
import { spentSince, type ThreadCpu, threadCpu } from './thread-cpu.ts';

type Crowd = { nodes: number; junkPerS: number; quietMs: number; soakMs: number };
type Look = { active: number; renewed: number; exchanges: number; lateMs: number[] };

const junkSources = 200;
/** Nodes that the hub knows, and that come from addresses it does not know while the junk is on. */
const newcomers = 10;
const newcomersAfterMs = 10_000;
/** Nodes wait 120 s at most, and then a resend or two. */
const renewalMs = 125_000;
/** Joining takes 20 ms a node; a loaded machine is given ten times as long. */
const joinMsPerNode = 200;
const joinMsLeast = 60_000;
const lookMs = 1_000;

const program = (name: string, ...words: string[]) => [
  process.execPath,
  new URL(`./${name}`, import.meta.url).pathname,
  ...words,
];

const shareOf = (values: readonly number[], share: number) =>
  percentile(
    values.toSorted((one, two) => one - two),
    share,
  );

/** What a hub shows over some time. */
class Watch {
  readonly #hub: JsonProcess;
  readonly #idle: JsonProcess;
  readonly #nodes: number;
  readonly late: number[] = [];
  readonly lateIdle: number[] = [];
  least = Infinity;
  last: Look = { active: 0, renewed: 0, exchanges: 0, lateMs: [] };

  constructor(hub: JsonProcess, idle: JsonProcess, nodes: number) {
    [this.#hub, this.#idle, this.#nodes] = [hub, idle, nodes];
  }

  /** From here on renewals count. */
  async begin(): Promise<void> {
    await this.#hub.ask({ look: this.#nodes, mark: true });
    await this.#idle.ask({});
  }

  async look(): Promise<number> {
    this.last = (await this.#hub.ask({ look: this.#nodes })) as Look;
    const { lateMs } = await this.#idle.ask({});
    // One by one: a spread of a long list is an argument list.
    for (const one of this.last.lateMs) this.late.push(one);
    for (const one of lateMs as number[]) this.lateIdle.push(one);
    this.least = Math.min(this.least, this.last.active);
    return this.last.active;
  }

  /** `work` is done once, after some time. */
  async lookFor(ms: number, work?: { afterMs: number; does: () => Promise<unknown> }): Promise<void> {
    const from = performance.now();
    for (let isDone = work === undefined; performance.now() - from < ms;) {
      await Bun.sleep(lookMs);
      await this.look();
      if (isDone || performance.now() - from < (work?.afterMs ?? 0)) continue;
      isDone = true;
      await work?.does();
    }
  }
}

/** Until all are active, or time is up: then the share tells it. */
async function waitForAll(watch: Watch, nodes: number): Promise<void> {
  const until = performance.now() + Math.max(joinMsLeast, nodes * joinMsPerNode);
  while ((await watch.look()) < nodes && performance.now() < until) await Bun.sleep(lookMs);
}

/** What is under way: a hub with its nodes known, the first `nodes` of them active. */
class Stage implements AsyncDisposable {
  readonly #owned = new AsyncDisposableStack();
  readonly hub = this.#owned.use(new JsonProcess(program('crowd-hub.ts')));
  readonly idle = this.#owned.use(new JsonProcess(program('idle-process.ts')));
  #at: string[] = [];

  async open(nodes: number, more: number): Promise<JsonProcess> {
    const { port, keysDir, publicKeyPath } = await this.hub.next();
    // The hub is ended by a signal, and leaves half a megabyte a node.
    this.#owned.defer(() => rmSync(String(keysDir), { recursive: true, force: true }));
    this.#at = [String(port), String(publicKeyPath)];
    const words = [String(port), String(keysDir), String(publicKeyPath), String(nodes + more)];
    const crowd = this.#owned.use(new JsonProcess(program('crowd-nodes.ts', ...words)));
    for (let known = 0; known < nodes + more;) {
      const { fingerprints } = await crowd.next();
      known = Number((await this.hub.ask({ add: fingerprints }))['peers']);
    }
    await crowd.ask({ begin: [0, nodes] });
    await waitForAll(new Watch(this.hub, this.idle, nodes), nodes);
    return crowd;
  }

  async junk(perSecond: number): Promise<JsonProcess> {
    const words = [...this.#at, String(perSecond), String(junkSources)];
    const junk = this.#owned.use(new JsonProcess(program('junk-source.ts', ...words)));
    await junk.next();
    return junk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

type Exchanges = [node: number, ms: number][];
type NodesLook = { exchanges: Exchanges; lateMs: number[] };
const lookAtNodes = async (crowd: JsonProcess) => (await crowd.ask({ look: true })) as NodesLook;

/** One crowd from its first key to the end of its soak. */
async function measureOne({ nodes, junkPerS, quietMs, soakMs }: Crowd): Promise<Record<string, number>> {
  await using stage = new Stage();
  const { hub, idle } = stage;
  const more = junkPerS > 0 ? newcomers : 0;
  const crowd = await stage.open(nodes, more);
  const quiet = new Watch(hub, idle, nodes);
  const before = threadCpu(hub.pid);
  await quiet.begin();
  await quiet.lookFor(quietMs);
  const quietCpu = spentSince(threadCpu(hub.pid), before);
  await lookAtNodes(crowd);

  const junk = more > 0 ? await stage.junk(junkPerS) : undefined;
  const watch = new Watch(hub, idle, nodes);
  const [from, cpu] = [performance.now(), threadCpu(hub.pid)];
  await watch.begin();
  const join = { afterMs: newcomersAfterMs, does: () => crowd.ask({ begin: [nodes, nodes + more] }) };
  await watch.lookFor(soakMs, more > 0 ? join : undefined);
  const wallMs = performance.now() - from;
  const spent = spentSince(threadCpu(hub.pid), cpu);
  const sent = junk === undefined ? 0 : Number((await junk.ask({}))['sent']);
  const { exchanges: took, lateMs: lateNodes } = await lookAtNodes(crowd);
  return {
    ...heldFigures(watch, nodes, soakMs),
    ...costFigures(spent, wallMs),
    nodes_loop_p99_ms: shareOf(lateNodes, 0.99),
    exchange_p99_ms: shareOf(
      took.filter(([node]) => node < nodes).map(([, ms]) => ms),
      0.99,
    ),
    ...(junk === undefined
      ? { exchange_hub_ms: (spent.mainMs + spent.workersMs) / watch.last.exchanges }
      : {
          junk_per_s: (sent / wallMs) * 1_000,
          // Of the thread that reads the socket, less what it does in peace.
          junk_main_us: ((spent.mainMs - (quietCpu.mainMs / quietMs) * wallMs) / sent) * 1_000,
          loop_p99_ms_quiet: shareOf(quiet.late, 0.99),
          newcomers_p90_ms: shareOf(newcomerDelays(took, nodes), 0.9),
        }),
  };
}

/** Those without a key yet count as endless. */
function newcomerDelays(took: Exchanges, nodes: number): number[] {
  const first = new Map(took.filter(([node]) => node >= nodes).toReversed());
  return Array.from({ length: newcomers }, (_, at) => first.get(nodes + at) ?? Infinity);
}

function heldFigures(watch: Watch, nodes: number, soakMs: number): Record<string, number> {
  return {
    active_share: watch.least / nodes,
    ...(soakMs >= renewalMs && { renewed_share: watch.last.renewed / nodes }),
    loop_p99_ms: shareOf(watch.late, 0.99),
    loop_p99_ms_idle: shareOf(watch.lateIdle, 0.99),
    loop_max_ms: shareOf(watch.late, 1),
  };
}

const costFigures = (
  { mainMs, mainWaitedMs, workersMs, allMs }: ThreadCpu,
  wallMs: number,
): Record<string, number> => ({
  main_percent: (mainMs / wallMs) * 100,
  main_waited_percent: (mainWaitedMs / wallMs) * 100,
  worker_percent: (workersMs / wallMs) * 100,
  hub_percent: (allMs / wallMs) * 100,
});

type CrowdName = 'junk_500' | '2500';
const crowds: Record<CrowdName, Omit<Crowd, 'soakMs'>> = {
  junk_500: { nodes: 500, junkPerS: 2_000, quietMs: 10_000 },
  '2500': { nodes: 2_500, junkPerS: 0, quietMs: 0 },
};

/** `active_share` is the least of any second. With a soak of 130 s about three minutes, the larger one four. */
export async function measureCrowd(name: CrowdName, soakMs: number): Promise<Record<string, number>> {
  const found = await measureOne({ ...crowds[name], soakMs });
  return Object.fromEntries(Object.entries(found).map(([key, value]) => [`crowd_${name}_${key}`, value]));
}
