/** What lies about on the host for a sandbox to reach for, and what must be as before when all is over. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';

export type EscapeWorld = AsyncDisposable & {
  /** Of a TCP server on the host's loopback. */
  port: number;
  /** Of a Unix socket without a file. */
  abstractName: string;
  /** Of a program of the host's. */
  hostPid: number;
  /** In the environment of whoever starts the chain. */
  marker: string;
  /** Connections that came in. */
  visitors: () => number;
};

const listen = (server: Server, where: { host: string; port: number } | { path: string }) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => resolve());
  });

export async function openEscapeWorld(): Promise<EscapeWorld> {
  let visitors = 0;
  const server = () =>
    createServer((socket) => {
      visitors++;
      socket.destroy();
    });
  const [tcp, abstract] = [server(), server()];
  await listen(tcp, { host: '127.0.0.1', port: 0 });
  const abstractName = `labmesh-escape-${process.pid}`;
  await listen(abstract, { path: `\0${abstractName}` });
  const sleeper = Bun.spawn(['sleep', '600'], { stdio: ['ignore', 'ignore', 'ignore'] });
  const segment = Bun.spawnSync(['ipcmk', '-M', '4096', '-p', '0666']).stdout.toString().match(/\d+/)?.[0];
  return {
    port: (tcp.address() as { port: number }).port,
    abstractName,
    hostPid: sleeper.pid,
    marker: `labmesh-marker-${process.pid}`,
    visitors: () => visitors,
    [Symbol.asyncDispose]: async () => {
      tcp.close();
      abstract.close();
      sleeper.kill('SIGKILL');
      if (segment !== undefined) Bun.spawnSync(['ipcrm', '-m', segment]);
      await sleeper.exited;
    },
  };
}

/** Change by themselves. */
const restless = /\/(?:ns_last_pid|random\/|pty\/nr|.*(?:_count|-nr|_nr|-state)$)/;

/** Every setting of the kernel that can be written and read. */
export function readSysctls(folder = '/proc/sys', found = new Map<string, string>()): Map<string, string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.isDirectory()) readSysctls(path, found);
    else if ((stat.mode & 0o200) !== 0 && (stat.mode & 0o400) !== 0 && !restless.test(path)) {
      try {
        found.set(path, readFileSync(path, 'latin1'));
      } catch {
        found.set(path, 'unreadable');
      }
    }
  }
  return found;
}

export type HostProcess = { pid: number; parent: number; uid: number; words: string[] };

/** Processes of the host, as far as they can be read. */
export function hostProcesses(): HostProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8');
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      const field = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? -1);
      return [{ pid: Number(name), parent: field('PPid'), uid: field('Uid'), words }];
    } catch {
      return [];
    }
  });
}
