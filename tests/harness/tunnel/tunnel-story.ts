import { type NetworkLab, openNetworkLab } from '../network-lab.ts';
import { JsonProcess } from './json-process.ts';
import { type EndKind, openTunnelEnds, type TunnelEnd } from './tunnel-ends.ts';

const programs = {
  'tcp-talk': new URL('./tcp-talk.ts', import.meta.url).pathname,
  flood: new URL('./flood.ts', import.meta.url).pathname,
};

export type TunnelPair = { hub: TunnelEnd; node: TunnelEnd; psk: Uint8Array };

/** Hosts `h` (hub), `n` (node) and others, tunnels between them, and programs on them; all ended together. */
export class TunnelStory implements AsyncDisposable {
  readonly lab: NetworkLab;
  readonly #owned: AsyncDisposableStack;

  private constructor(lab: NetworkLab, owned: AsyncDisposableStack) {
    this.lab = lab;
    this.#owned = owned;
  }

  static async open(hosts: readonly string[]): Promise<TunnelStory> {
    const owned = new AsyncDisposableStack();
    const lab = owned.use(await openNetworkLab(hosts));
    return new TunnelStory(lab, owned);
  }

  async pair(hub: EndKind, node: EndKind, keepaliveS?: number): Promise<TunnelPair> {
    const plan = { hub, node, hubHost: 'h', nodeHost: 'n', ...(keepaliveS !== undefined && { keepaliveS }) };
    return openTunnelEnds(this.lab, plan, this.#owned);
  }

  start(host: string, name: keyof typeof programs, ...argv: string[]): JsonProcess {
    const command = this.lab.command(host, [process.execPath, programs[name], ...argv]);
    return this.#owned.use(new JsonProcess(command));
  }

  async serve(host: string, address: string, port: number): Promise<void> {
    await this.start(host, 'tcp-talk', 'serve', address, String(port)).next();
  }

  /** Lines that a service answered over one connection. */
  async ask(host: string, address: string, port: number, lines = 1): Promise<{ answered: number; gapMs: number }> {
    const asking = this.start(host, 'tcp-talk', 'ask', address, String(port), String(lines));
    return (await asking.next()) as { answered: number; gapMs: number };
  }

  /** Runs a command on a host. @throws Error with what it said. */
  async run(host: string, ...command: string[]): Promise<void> {
    const child = Bun.spawn(this.lab.command(host, command), { stdio: ['ignore', 'ignore', 'pipe'] });
    const [code, text] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    if (code !== 0) throw new Error(`${command.join(' ')}: ${text.trim()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}
