/** One site on a host of its own: an engine, the settings that `labman join` wrote, and labmand, started and ended by a test. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExchangeResult, TunnelView } from '@labmesh/wire/tunnel';
import { waitFor } from '../fleet/look.ts';
import { Daemon, environment, type Finished, labctlMain, type Place, placed, run } from '../start-labd.ts';
import type { EngineSettings } from './engine-process.ts';
import { KeptWireguardGo } from './kept-wireguard-go.ts';

export type SiteSettings = {
  name: string;
  backend: 'native' | 'wireguard-go';
  interfaceName: string;
  folder: string;
  place: Place;
  engine: EngineSettings;
  /** What `labctl node token create` gave. */
  onboarding: string;
  tokenPrefix: string;
  /** Further lines of `[wireguard]`. */
  wireguard?: readonly string[];
};

const engineProgram = new URL('./engine-process.ts', import.meta.url).pathname;

export class SiteNode implements AsyncDisposable {
  readonly settings: SiteSettings;
  readonly socket: string;
  readonly config: string;
  readonly #owned: AsyncDisposableStack;
  #daemon: Daemon | undefined;
  /** What runs of labmand before this one said. */
  #saidBefore = '';

  private constructor(settings: SiteSettings, config: string, owned: AsyncDisposableStack) {
    this.settings = settings;
    this.socket = join(settings.folder, 'labmand.sock');
    this.config = config;
    this.#owned = owned;
  }

  /** Joins as an operator does; labmand does not run yet. */
  static async join(settings: SiteSettings): Promise<SiteNode> {
    const { folder, place, onboarding, backend, interfaceName } = settings;
    await using owned = new AsyncDisposableStack();
    mkdirSync(folder, { recursive: true });
    const options = { cwd: folder, env: environment(folder) };
    const command = [process.execPath, engineProgram, JSON.stringify(settings.engine)];
    const engine = owned.use(new Daemon(placed(command, place), options));
    const { url } = JSON.parse(await engine.says('"url"')) as { url: string };
    const config = join(folder, 'labman.toml');
    const words = ['labman', 'join', '--token-file', '-', '--config', config];
    const joined = await run(placed([process.execPath, labctlMain, ...words], place), {
      ...options,
      stdin: onboarding,
    });
    if (joined.exitCode !== 0) throw new Error(`labman join: ${joined.stderr}`);
    const lines = [`backend = "${backend}"`, `interface_name = "${interfaceName}"`, ...(settings.wireguard ?? [])];
    const written = readFileSync(config, 'utf8').replace(
      '[labman.wireguard]\n',
      (table) => `${table}${lines.join('\n')}\n`,
    );
    writeFileSync(config, `${written}\n[[labman.endpoints]]\nname = "vllm"\nbase_url = "${url}/v1"\n`);
    if (backend === 'wireguard-go') await owned.use(new KeptWireguardGo(interfaceName, place)).ready();
    return new SiteNode(settings, config, owned.move());
  }

  get name(): string {
    return this.settings.name;
  }
  get stateDir(): string {
    return join(this.settings.folder, 'state');
  }
  get daemon(): Daemon {
    if (this.#daemon === undefined) throw new Error('labmand does not run');
    return this.#daemon;
  }
  /** Of all runs. */
  get said(): string {
    return this.#saidBefore + (this.#daemon?.said ?? '');
  }

  /** The command line of labmand; `around` is put before it. */
  command(...around: string[]): string[] {
    const words = ['labmand', '--config', this.config, '--admin-socket', this.socket, '--log-level', 'debug'];
    return placed([...around, process.execPath, labctlMain, ...words], this.settings.place);
  }
  get options(): { cwd: string; env: Record<string, string> } {
    const { folder } = this.settings;
    return { cwd: folder, env: { ...environment(folder), STATE_DIRECTORY: this.stateDir } };
  }

  /** Runs labmand; resolves when it says that it is ready. */
  async start(withinMs = 120_000): Promise<void> {
    this.#daemon = new Daemon(this.command(), this.options);
    await this.#daemon.says('labmand is ready', withinMs);
  }

  /** `SIGTERM` as systemd ends it, `SIGKILL` as a crash does. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.daemon.signal(signal);
    await this.daemon.exited;
    await this.daemon[Symbol.asyncDispose]();
    this.#saidBefore += this.daemon.said;
    this.#daemon = undefined;
  }

  labman(...words: string[]): Promise<Finished> {
    const { folder, place } = this.settings;
    const command = [process.execPath, labctlMain, 'labman', ...words, '--socket', this.socket];
    return run(placed(command, place), { cwd: folder, env: environment(folder) });
  }

  /** What `labman tunnel status --json` prints; undefined while the tunnel is down. */
  async status(): Promise<TunnelView | undefined> {
    const response = await fetch('http://labman/tunnel', { unix: this.socket }).catch(() => undefined);
    return response?.ok === true ? ((await response.json()) as TunnelView) : undefined;
  }
  /** One exchange now, as `labman tunnel exchange` asks for it. */
  async exchange(): Promise<ExchangeResult> {
    const call = { unix: this.socket, method: 'POST' };
    return (await (await fetch('http://labman/tunnel/exchange', call)).json()) as ExchangeResult;
  }
  async hub() {
    return (await this.status())?.peers[0];
  }

  /** Ms until the word `active` stands there. */
  async untilActive(withinMs = 20_000): Promise<number> {
    const from = performance.now();
    await waitFor(async () => (await this.hub())?.pq === 'active', withinMs);
    return Math.round(performance.now() - from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
    await this.#owned.disposeAsync();
  }
}
