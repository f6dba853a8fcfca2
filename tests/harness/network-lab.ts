/**
 * A small network of namespaces for stories: one bridge, a host a name, addresses 10.99.0.N. Everything stays inside
 * the namespaces and goes away with them; the machine's own network is not touched.
 *
 *     await using lab = await openNetworkLab(['labd1', 'agent1']);
 *     lab.command('labd1', ['labd', 'run'])      → ['ip', 'netns', 'exec', …]
 *     await lab.cut('agent1');                     the cable is pulled; `mend` plugs it in again
 */
import { randomBytes } from 'node:crypto';

const ip = '/sbin/ip';

async function run(...argv: string[]): Promise<void> {
  const child = Bun.spawn(argv, { stdout: 'ignore', stderr: 'pipe', stdin: 'ignore' });
  const [code, text] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${text.trim()}`);
}

/** Why there can be no network lab here, or undefined. */
export function networkLabMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  if (Bun.which('ip', { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' }) === null) return 'ip (Debian package iproute2)';
  return undefined;
}

export interface NetworkLab extends AsyncDisposable {
  /** Address of a host. */
  address(host: string): string;
  /** The command line that runs `argv` on a host. */
  command(host: string, argv: readonly string[]): string[];
  cut(host: string): Promise<void>;
  mend(host: string): Promise<void>;
}

/** @throws Error when a namespace cannot be made; then none is left. */
export async function openNetworkLab(hosts: readonly string[]): Promise<NetworkLab> {
  const tag = `lm${randomBytes(3).toString('hex')}`;
  const space = (host: string) => `${tag}-${host}`;
  const number = (host: string) => hosts.indexOf(host) + 1;
  await using stack = new AsyncDisposableStack();
  const make = async (name: string) => {
    await run(ip, 'netns', 'add', name);
    stack.defer(() => run(ip, 'netns', 'del', name).catch(() => undefined));
    await run(ip, '-n', name, 'link', 'set', 'lo', 'up');
  };
  const hub = space('hub');
  await make(hub);
  await run(ip, '-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
  await run(ip, '-n', hub, 'link', 'set', 'br0', 'up');
  for (const host of hosts) {
    const [name, port] = [space(host), `p${number(host)}`];
    await make(name);
    await run(ip, '-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    await run(ip, '-n', hub, 'link', 'set', port, 'master', 'br0', 'up');
    await run(ip, '-n', name, 'addr', 'add', `10.99.0.${number(host)}/24`, 'dev', 'eth0');
    await run(ip, '-n', name, 'link', 'set', 'eth0', 'up');
  }
  const opened = stack.move();
  return {
    address: (host) => `10.99.0.${number(host)}`,
    command: (host, argv) => [ip, 'netns', 'exec', space(host), ...argv],
    cut: (host) => run(ip, '-n', hub, 'link', 'set', `p${number(host)}`, 'down'),
    mend: (host) => run(ip, '-n', hub, 'link', 'set', `p${number(host)}`, 'up'),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
