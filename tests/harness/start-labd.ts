/**
 * The real daemons as processes: labd in a folder of its own, agents that enrol by a token, labctl beside them. With a
 * network lab each stands in a namespace.
 *
 *     await using labd = await startLabd();
 *     await using agent = await startAgent(labd, 'web-1');
 *     await labd.labctl('exec', 'web-1', '--local', '--', 'true');
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { KeptOutput } from './output/kept-output.ts';
import type { NetworkLab } from './network-lab.ts';

const root = resolve(import.meta.dir, '../..');
const bun = process.execPath;
const labdMain = join(root, 'daemons/labd/src/main.ts');
const agentMain = join(root, 'daemons/agent/src/main.ts');
export const labctlMain = join(root, 'apps/labctl/src/main.ts');

export type Place = { lab: NetworkLab; host: string };
export type Finished = { exitCode: number; stdout: string; stderr: string };

/** A process whose output is kept; ended by SIGKILL when its test is over. */
export class Daemon implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  readonly #output = new KeptOutput();

  constructor(command: readonly string[], options: { cwd: string; env: Record<string, string> }) {
    const { fd } = this.#output;
    this.#child = Bun.spawn([...command], { ...options, stdio: ['ignore', fd, fd] });
  }

  get pid(): number {
    return this.#child.pid;
  }
  get said(): string {
    return this.#output.text;
  }
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** Waits for a text; gives the whole line. Rejects when the process ends before. */
  async says(text: string, ms = 30_000): Promise<string> {
    const until = performance.now() + ms;
    for (;;) {
      const { exitCode } = this.#child;
      const { said } = this;
      const at = said.indexOf(text);
      const end = at === -1 ? -1 : said.indexOf('\n', at);
      // A line that is being written is not whole yet.
      if (end !== -1) return said.slice(said.lastIndexOf('\n', at) + 1, end);
      if (exitCode !== null) throw new Error(`ended with ${exitCode}:\n${said}`);
      if (performance.now() > until) throw new Error(`did not say "${text}":\n${said.slice(-4_000)}`);
      await Bun.sleep(20);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
    this.#output[Symbol.dispose]();
  }
}

/** Ten that make a Rosenpass pair at once take half a minute of two busy cores; each test has its own limit. */
const startMs = 120_000;
/** An agent makes one small key. Shorter than the limit of any test, so that what stands still says where. */
const stepMs = 18_000;

async function saysOrEnds(daemon: Daemon, text: string, ms = startMs): Promise<string> {
  try {
    return await daemon.says(text, ms);
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs a command to its end. @throws Error with what it said, when that takes longer than `ms`; absent = as long as it likes */
export async function run(
  command: readonly string[],
  options: { cwd: string; env: Record<string, string>; stdin?: string | Uint8Array; ms?: number },
): Promise<Finished> {
  const { stdin, ms, ...rest } = options;
  const input = stdin === undefined ? 'ignore' : new Blob([typeof stdin === 'string' ? stdin : Uint8Array.from(stdin)]);
  using stdout = new KeptOutput();
  using stderr = new KeptOutput();
  const child = Bun.spawn([...command], { ...rest, stdio: [input, stdout.fd, stderr.fd] });
  let isLate = false;
  const end = () => {
    isLate = true;
    child.kill('SIGKILL');
  };
  const late = ms === undefined ? undefined : setTimeout(end, ms);
  const exitCode = await child.exited;
  clearTimeout(late);
  if (isLate) throw new Error(`${command.slice(1, 4).join(' ')} did not end:\n${stdout.text}${stderr.text}`);
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

export const placed = (command: readonly string[], place: Place | undefined): string[] =>
  place === undefined ? [...command] : place.lab.command(place.host, command);

export const environment = (home: string): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  LANG: 'C.UTF-8',
});

export type LabdOptions = {
  /** Further lines of labmesh.toml; tables of their own. */
  toml?: string;
  /** Lines for [labd]. */
  labd?: string;
  /** More of its environment. */
  variables?: Record<string, string>;
  databaseUrl?: string;
  redisUrl?: string;
  place?: Place;
  /** Replicas that share a database share the key file. */
  sharedKeyFile?: string;
  /** Keeps an earlier folder: a restart. */
  folder?: string;
  /** Of API and agents, where others must find it again after a restart; free ones by default. */
  ports?: readonly [number, number];
  /** How people reach it, when that is not its own address: a balancer before several replicas. */
  publicUrl?: string;
  /** Resolve before it is ready: it waits for its database. `ports` must be given then. */
  early?: boolean;
  /** How wrong the clock of its machine is, ms. */
  clockOffMs?: number;
  /** What it logs: `debug` for tests, `info` as it runs in earnest. */
  logLevel?: 'debug' | 'info';
};

export interface RunningLabd extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly folder: string;
  readonly socket: string;
  /** `https://127.0.0.1:N` */
  readonly api: string;
  readonly agents: string;
  /** The listener for nodes; empty with `early`. */
  readonly nodes: string;
  readonly place: Place | undefined;
  /** A call over the admin socket, as root; the parsed answer. @throws Error with status and body when refused. */
  call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T>;
  /** labctl in a home of this labd, with the admin socket known. */
  labctl(...words: string[]): Promise<Finished>;
  labctlWith(
    options: { home?: string; stdin?: string | Uint8Array; place?: Place },
    ...words: string[]
  ): Promise<Finished>;
}

/** With a clock that is wrong, where the test asks for one. */
function labdCommand({ clockOffMs, logLevel = 'debug' }: LabdOptions, config: string): string[] {
  const skewed = clockOffMs === undefined ? [] : ['--preload', join(import.meta.dir, 'fleet/wrong-clock.ts')];
  return [bun, ...skewed, labdMain, 'run', '--config', config, '--log-level', logLevel];
}

export async function startLabd(options: LabdOptions = {}): Promise<RunningLabd> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'labmesh-labd-'));
  mkdirSync(folder, { recursive: true });
  const { place } = options;
  const host = place === undefined ? '127.0.0.1' : place.lab.address(place.host);
  const socket = join(folder, 'a.sock');
  const [apiPort, agentPort] = options.ports ?? (place === undefined ? [0, 0] : [3100, 3101]);
  const publicUrl = options.publicUrl ?? (place === undefined ? undefined : `https://${host}:${apiPort}`);
  const lines = [
    '[labd]',
    `listen = "${host}:${apiPort}"`,
    `agent_listen = "${host}:${agentPort}"`,
    `admin_socket = "${socket}"`,
    `data_dir = "${join(folder, 'data')}"`,
    'metrics_listen = ""',
    ...(place === undefined ? [] : [`agent_url = "https://${host}:${agentPort}"`]),
    ...(publicUrl === undefined ? [] : [`public_url = "${publicUrl}"`]),
    options.labd ?? '',
    ...(options.databaseUrl === undefined ? [] : ['[database]', `url = "${options.databaseUrl}"`]),
    ...(options.redisUrl === undefined ? [] : ['[redis]', `url = "${options.redisUrl}"`]),
    ...(options.sharedKeyFile === undefined ? [] : ['[secrets]', `key_file = "${options.sharedKeyFile}"`]),
    ...(options.toml?.includes('[conplane]') === true ? [] : ['[conplane]', 'listen = "127.0.0.1:0"']),
    options.toml ?? '',
  ];
  const config = join(folder, 'labmesh.toml');
  writeFileSync(config, `${lines.join('\n')}\n`);
  const daemon = new Daemon(placed(labdCommand(options, config), place), {
    cwd: folder,
    env: { ...environment(folder), TEST_CLOCK_OFF_MS: String(options.clockOffMs ?? 0), ...options.variables },
  });
  const ready = JSON.parse(await saysOrEnds(daemon, options.early === true ? '"labd listens"' : '"labd is ready"')) as {
    api: string;
    agents: string;
    nodes?: string;
  };
  const labctlWith: RunningLabd['labctlWith'] = ({ home = folder, stdin, place: from = place }, ...words) =>
    run(placed([bun, labctlMain, ...words], from), {
      cwd: folder,
      env: { ...environment(home), LABCTL_ADMIN_SOCKET: socket },
      ...(stdin !== undefined && { stdin }),
    });
  return {
    daemon,
    folder,
    socket,
    api: ready.api,
    agents: ready.agents,
    nodes: ready.nodes ?? '',
    place,
    labctl: (...words) => labctlWith({}, ...words),
    labctlWith,
    async call<T>(method: string, path: string, body?: unknown) {
      const response = await fetch(`http://labd${path}`, {
        method,
        unix: socket,
        signal: AbortSignal.timeout(stepMs),
        ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return JSON.parse(text) as T;
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface RunningAgent extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly folder: string;
  readonly hostname: string;
  readonly place: Place | undefined;
  /** Starts it again on the same identity, or on the copy of it that a folder holds. */
  again(copy?: string): Promise<RunningAgent>;
}

export type AgentSettings = {
  place?: Place;
  toml?: string;
  /** Of the token that is made for it, unless there is one already. */
  token?: Record<string, unknown>;
  joinToken?: string;
  logLevel?: 'debug' | 'info';
};

/** Enrols a machine by a fresh token and runs its agent until it is connected. */
export async function startAgent(
  labd: RunningLabd,
  hostname: string,
  settings: AgentSettings = {},
): Promise<RunningAgent> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-agent-'));
  const token =
    settings.joinToken ?? (await labd.call<{ token: string }>('POST', '/api/tokens', settings.token ?? {})).token;
  const pin = (await (await fetch('http://labd/ca/pin', { unix: labd.socket })).text()).trim();
  const lines = [
    '[agent]',
    `url = "${labd.agents}"`,
    `ca_pin = "${pin}"`,
    `hostname = "${hostname}"`,
    // Many agents on one machine are told apart.
    `machine_id = "${randomBytes(16).toString('hex')}"`,
    `state_dir = "${join(folder, 'state')}"`,
    settings.toml ?? '',
  ];
  const config = join(folder, 'labmesh.toml');
  writeFileSync(config, `${lines.join('\n')}\n`);
  const options = { cwd: folder, env: environment(folder) };
  const enrol = await run(placed([bun, agentMain, 'enroll', '--config', config, '--token-file', '-'], settings.place), {
    ...options,
    stdin: token,
    ms: stepMs,
  });
  if (enrol.exitCode !== 0) throw new Error(`enrol: ${enrol.stderr}`);
  const start = async (home = folder): Promise<RunningAgent> => {
    const own = join(home, 'labmesh.toml');
    if (home !== folder) writeFileSync(own, `${lines.join('\n').replaceAll(folder, home)}\n`);
    const daemon = new Daemon(
      placed([bun, agentMain, 'run', '--config', own, '--log-level', settings.logLevel ?? 'debug'], settings.place),
      { cwd: home, env: environment(home) },
    );
    await saysOrEnds(daemon, '"connected"', stepMs);
    return {
      daemon,
      folder: home,
      hostname,
      place: settings.place,
      again: start,
      async [Symbol.asyncDispose]() {
        await daemon[Symbol.asyncDispose]();
        rmSync(home, { recursive: true, force: true });
      },
    };
  };
  return start();
}
