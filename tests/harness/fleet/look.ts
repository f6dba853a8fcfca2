/** What can be seen of daemons from outside: processes, memory, and what labd says of a server. */
import { readFileSync } from 'node:fs';
import type { RunningLabd } from '../start-labd.ts';

export type Server = { id: string; hostname: string; status: string };

export function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

export const rssMiB = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

export async function waitFor(isSo: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const last = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > last) throw new Error('it did not come true');
    await Bun.sleep(50);
  }
}

export const serverOf = (labd: RunningLabd, name: string) => labd.call<Server>('GET', `/api/servers/${name}`);

/** Ms from now until the server has this status. */
export async function msUntil(labd: RunningLabd, name: string, status: string, withinMs: number): Promise<number> {
  const from = performance.now();
  for (;;) {
    const server = await serverOf(labd, name);
    const ms = performance.now() - from;
    if (server.status === status) return ms;
    if (ms > withinMs) throw new Error(`${name} is ${server.status} after ${Math.round(ms)} ms, not ${status}`);
    await Bun.sleep(50);
  }
}
