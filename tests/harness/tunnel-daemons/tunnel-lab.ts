/**
 * A hub and its sites, each on a host of its own in a network of namespaces: the real daemons, started as an operator does.
 *
 *     await using lab = await TunnelLab.open('native', ['site-a']);
 *     const site = await lab.join('site-a');
 *     await site.start();
 *     await lab.reach('10.90.0.2');
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreatedNodeToken } from '@labmesh/wire/fleet/resources/nodes';
import type { TunnelView } from '@labmesh/wire/tunnel';
import { type NetworkLab, networkLabMissing, openNetworkLab } from '../network-lab.ts';
import { Daemon, environment, placed, run, type RunningLabd, startLabd } from '../start-labd.ts';
import type { EngineSettings } from './engine-process.ts';
import type { SeenStream } from './hub-client.ts';
import { insideTunnel } from './inside-tunnel.ts';
import { KeptWireguardGo, wireguardGoMissing } from './kept-wireguard-go.ts';
import { SiteNode } from './site-node.ts';

export const tunnelBackends = ['native', 'wireguard-go'] as const;
export type TunnelBackend = (typeof tunnelBackends)[number];

const clientProgram = new URL('./hub-client.ts', import.meta.url).pathname;
const hubHost = 'conplane';
export const proxyPort = 8080;

/** Why there can be no lab with this backend here, or undefined. */
export const tunnelLabMissing = (backend: TunnelBackend): string | undefined =>
  networkLabMissing() ?? (backend === 'wireguard-go' ? wireguardGoMissing() : undefined);

/** Commands of nft on a host: what is dropped there. */
export const dropAt = (port: string): string =>
  `add table inet lost; add chain inet lost in { type filter hook input priority 0; }; add rule inet lost in ${port} drop`;
export const dropNothing = 'delete table inet lost';

export type JoinOptions = { engine?: EngineSettings; wireguard?: readonly string[]; token?: readonly string[] };

/** What the hub is dialled by, Conplane and tunnel alike. */
export type Outer = 'v4' | 'v6';
const v6Net = 'fd99::';

/** Beside its 10.99.0.N each host has fd99::N. */
async function addV6(net: NetworkLab, host: string): Promise<void> {
  const address = `${v6Net}${net.address(host).split('.').at(-1)}/64`;
  const argv = ['ip', 'address', 'add', address, 'dev', 'eth0', 'nodad'];
  if ((await Bun.spawn(net.command(host, argv)).exited) !== 0) throw new Error(`${host} got no IPv6 address`);
}

export class TunnelLab implements AsyncDisposable {
  readonly backend: TunnelBackend;
  readonly net: NetworkLab;
  readonly folder: string;
  /** Of the hub. Sockets of wireguard-go go by the name alone, whatever the namespace. */
  readonly interfaceName: string;
  readonly #tag = randomBytes(2).toString('hex');
  readonly #owned: AsyncDisposableStack;
  #labd: RunningLabd | undefined;
  #conplane: readonly string[] = [];
  #tunnel: readonly string[] = [];
  #outer: Outer = 'v4';
  #sites = 0;

  private constructor(backend: TunnelBackend, net: NetworkLab, owned: AsyncDisposableStack) {
    this.backend = backend;
    this.net = net;
    this.#owned = owned;
    this.folder = mkdtempSync(join(tmpdir(), 'labmesh-tunnel-'));
    owned.defer(() => rmSync(this.folder, { recursive: true, force: true }));
    this.interfaceName = `hub-${this.#tag}`;
  }

  /** Hosts `conplane` and these; labd runs. `conplane`, `tunnel`: further lines of these tables. */
  static async open(
    backend: TunnelBackend,
    hosts: readonly string[],
    conplane: readonly string[] = [],
    outer: Outer = 'v4',
    tunnel: readonly string[] = [],
  ): Promise<TunnelLab> {
    const owned = new AsyncDisposableStack();
    try {
      const lab = new TunnelLab(backend, owned.use(await openNetworkLab([hubHost, ...hosts])), owned);
      [lab.#conplane, lab.#tunnel] = [conplane, tunnel];
      lab.#outer = outer;
      if (outer === 'v6') for (const host of [hubHost, ...hosts]) await addV6(lab.net, host);
      if (backend === 'wireguard-go') await owned.use(new KeptWireguardGo(lab.interfaceName, lab.#hubPlace)).ready();
      await lab.startHub();
      return lab;
    } catch (error) {
      await owned.disposeAsync();
      throw error;
    }
  }

  get #hubPlace() {
    return { lab: this.net, host: hubHost };
  }
  get labd(): RunningLabd {
    if (this.#labd === undefined) throw new Error('labd does not run');
    return this.#labd;
  }

  /** Starts labd, on what an earlier run left. */
  async startHub(): Promise<void> {
    const address = this.#outer === 'v4' ? this.net.address(hubHost) : `${v6Net}1`;
    const host = this.#outer === 'v4' ? address : `[${address}]`;
    const toml = [
      '[conplane]',
      `listen = "${host}:3102"`,
      `url = "https://${host}:3102"`,
      ...this.#conplane,
      '[conplane.tunnel]',
      'enabled = true',
      `listen = ["${address}"]`,
      `endpoint = "${address}"`,
      `backend = "${this.backend}"`,
      `interface_name = "${this.interfaceName}"`,
      ...this.#tunnel,
    ].join('\n');
    this.#labd = await startLabd({ place: this.#hubPlace, toml, folder: join(this.folder, 'hub') });
    this.#owned.use(this.#labd);
  }

  /** Ends labd: `SIGTERM` as systemd does, `SIGKILL` as a crash. */
  async endHub(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { daemon } = this.labd;
    daemon.signal(signal);
    await daemon.exited;
    this.#labd = undefined;
  }

  /** labctl on the hub's host, as root. @throws Error with what it said when it fails */
  async labctl(...words: string[]): Promise<string> {
    const done = await this.labd.labctl(...words, '--local');
    if (done.exitCode !== 0) throw new Error(`labctl ${words.join(' ')}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  /** A token on the hub, and `labman join` with it on a host. */
  async join(host: string, options: JoinOptions = {}): Promise<SiteNode> {
    const { engine = { tokens: 8, tokenDelayMs: 0 }, wireguard = [] } = options;
    const made = await this.labctl('node', 'token', 'create', '--name', host, '-o', 'json');
    const { onboarding, prefix } = JSON.parse(made) as CreatedNodeToken;
    const site = await SiteNode.join({
      name: host,
      backend: this.backend,
      interfaceName: `n${this.#sites++}-${this.#tag}`,
      folder: join(this.folder, host),
      place: { lab: this.net, host },
      engine,
      onboarding,
      tokenPrefix: prefix,
      wireguard,
    });
    return this.#owned.use(site);
  }

  /** Something that listens on all addresses of a host. */
  async serve(host: string, port: number): Promise<void> {
    const place = { lab: this.net, host };
    const command = placed([process.execPath, clientProgram, 'serve', String(port)], place);
    const options = { cwd: this.folder, env: environment(this.folder) };
    await this.#owned.use(new Daemon(command, options)).says('serving');
  }

  /** Runs a command on a host. @throws Error with what it said */
  async run(host: string, ...command: string[]): Promise<string> {
    const options = { cwd: this.folder, env: environment(this.folder) };
    const done = await run(placed(command, { lab: this.net, host }), options);
    if (done.exitCode !== 0) throw new Error(`${command.join(' ')}: ${done.stderr}`);
    return done.stdout;
  }

  /** The hub's side of the tunnel. */
  view(): Promise<TunnelView> {
    return this.labd.call<TunnelView>('GET', '/api/tunnel');
  }
  async peer(name: string) {
    return (await this.view()).peers.find((peer) => peer.name === name);
  }

  /** From the hub's host, as a gateway: ms until the proxy at a tunnel address answers; −1 when it does not in time. */
  async reach(address: string, withinMs: number): Promise<number> {
    return (
      (await this.#client('reach', `http://${address}:${proxyPort}/v1/models`, String(withinMs))) as { ms: number }
    ).ms;
  }
  chat(address: string): Promise<SeenStream> {
    return this.#client('chat', `http://${address}:${proxyPort}`) as Promise<SeenStream>;
  }
  /** The ports at an address that take a connection, seen from the hub's host or by a site inside the tunnel. */
  async openPorts(address: string, ports: readonly number[], from?: SiteNode): Promise<number[]> {
    const argv = [process.execPath, clientProgram, 'ports', address, ...ports.map(String)];
    const said = from === undefined ? this.run(hubHost, ...argv) : this.run(from.name, ...insideTunnel(from, argv));
    return (JSON.parse(await said) as { open: number[] }).open;
  }

  async #client(...words: string[]): Promise<unknown> {
    return JSON.parse(await this.run(hubHost, process.execPath, clientProgram, ...words));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}
