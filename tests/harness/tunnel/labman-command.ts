/** `labman` as the operator of a site types it. */
import { environment, type Finished, labctlMain, run } from '../start-labd.ts';
import type { SiteNode } from '../tunnel-daemons/site-node.ts';

export type Check = { name: string; result: 'pass' | 'fail' | 'unknown'; detail: string; fix: string | null };

const place = (site: SiteNode) => ['--config', site.config, '--state-dir', site.stateDir];
/** `around` is put before it. */
export function labman(site: SiteNode, words: readonly string[], around: readonly string[] = []): Promise<Finished> {
  const { folder, place: at } = site.settings;
  const command = [
    ...around,
    process.execPath,
    labctlMain,
    'labman',
    ...words,
    ...place(site),
    '--socket',
    site.socket,
  ];
  return run(at.lab.command(at.host, command), { cwd: folder, env: environment(folder) });
}
/** What `verb` finds. */
export async function checksOf(site: SiteNode, verb: readonly string[], around?: readonly string[]) {
  const done = await labman(site, [...verb, '--json'], around);
  const { ok, checks } = JSON.parse(done.stdout) as { ok: boolean; checks: Check[] };
  return { ok, exitCode: done.exitCode, failed: checks.filter(({ result }) => result === 'fail'), checks };
}
