/** The executor is killed in the middle of a run: its sandboxes end with it. */
import { join } from 'node:path';
import type { NamespaceHost } from '../namespace/namespace-host.ts';
import { hostProcesses } from './escape-world.ts';

/** What the helper process needs to do as this one would. */
export type KilledRun = Pick<NamespaceHost, 'programs' | 'folder' | 'seccompPath'> & {
  uid: number | null;
  omitted: string[];
  seconds: string;
};

const startMs = 10_000;
const endMs = 2_000;

async function until(look: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await Bun.sleep(20)) if (look()) return true;
  return look();
}

/** Gives what is wrong, or undefined: nothing of the run lives on. */
export async function killExecutor(host: NamespaceHost): Promise<string | undefined> {
  const seconds = `62.${process.pid}${Math.floor(Math.random() * 1e6)}`;
  const uid = host.uids?.take();
  const run: KilledRun = {
    programs: host.programs,
    folder: host.folder,
    seccompPath: host.seccompPath,
    uid: uid ?? null,
    omitted: [...(host.omitted ?? [])],
    seconds,
  };
  const sleepers = () => hostProcesses().filter(({ words }) => words[0]?.endsWith('sleep') && words[1] === seconds);
  const helper = join(import.meta.dir, 'run-until-killed.ts');
  const child = Bun.spawn([process.execPath, helper, JSON.stringify(run)], { stdio: ['ignore', 'ignore', 'ignore'] });
  try {
    if (!(await until(() => sleepers().length > 0, startMs))) return 'the run did not begin';
    child.kill('SIGKILL');
    await child.exited;
    return (await until(() => sleepers().length === 0, endMs)) ? undefined : 'it lives on';
  } finally {
    child.kill('SIGKILL');
    for (const { pid } of sleepers()) process.kill(pid, 'SIGKILL');
    if (uid !== undefined) host.uids?.give(uid);
  }
}
