/**
 * A host of a network lab with files of its own below /run/wireguard: wireguard-go's socket has a path without a network
 * namespace, so two hosts with one interface name would clash. Held by a process that ends with its stdin.
 */
import type { NetworkLab } from '../network-lab.ts';

const ready = 'ready\n';
const prepare = `mkdir -p /run/wireguard && mount -t tmpfs tmpfs /run/wireguard && printf '${ready.trim()}\\n' && exec cat`;

export interface TunnelHost extends AsyncDisposable {
  readonly name: string;
  /** The command line that runs `argv` on this host. */
  command(argv: readonly string[]): string[];
  /** Runs it to its end and gives what it wrote. @throws Error when it fails. */
  run(...argv: readonly string[]): Promise<string>;
  /** Where wireguard-go's sockets of this host are, seen from the test. */
  readonly socketFolder: string;
  /** For `ip link set … netns`. */
  readonly pid: number;
}

/** What a command wrote. @throws Error with what it said when it fails. */
async function outputOf(argv: readonly string[]): Promise<string> {
  const child = Bun.spawn([...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [code, text, error] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${error.trim()}`);
  return text;
}

export async function openTunnelHost(lab: NetworkLab, name: string): Promise<TunnelHost> {
  const argv = lab.command(name, ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', prepare]);
  const holder = Bun.spawn(argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const first = await holder.stdout.getReader().read();
  if (new TextDecoder().decode(first.value) !== ready) throw new Error(`host ${name} did not start`);
  const { pid } = holder;
  const command = (argv: readonly string[]) => ['nsenter', '-t', String(pid), '-n', '-m', '--', ...argv];
  return {
    name,
    pid,
    command,
    run: (...argv) => outputOf(command(argv)),
    socketFolder: `/proc/${pid}/root/run/wireguard`,
    [Symbol.asyncDispose]: async () => {
      await holder.stdin.end();
      holder.kill('SIGKILL');
      await holder.exited;
    },
  };
}
