/** The fleet that is measured: labd on core 0, everything that uses it on core 1, machines enrolled once for all parts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningLabd, startLabd } from '../../tests/harness/start-labd.ts';
import { type FakeAgents, startFakeAgents } from '../../tests/simulators/fleet/start-fake-agents.ts';
import { readStats, sumTree } from '../process-tree.ts';
import { canPin, pinned } from '../started-process.ts';
import { bundleOf, enrolUser, type UserIdentity } from './bench-client.ts';

/**
 * Not the folder for temporary files: each recording is a file of its own, and where many files were deleted in the last
 * minutes ext4 takes half a millisecond to find room for the next.
 */
const cache = join(import.meta.dir, '../.cache');
export const labdCore = 0;
export const otherCore = 1;

/** Its limits are not what is measured. */
const toml = `
[hub]
accepts_per_s = 10000
channels_max = 2048
[exec]
per_user_max = 2000
[limits]
anonymous_per_min = 1000000
enrol_per_min = 1000000
principal_per_min = 1000000
exec_per_min = 1000000
`;

export type FleetStage = {
  /** labd's, kept over its restarts. */
  folder: string;
  /** The CA's certificates, PEM. */
  caFile: string;
  fakes: FakeAgents;
  user: UserIdentity;
  agents: number;
  /** Of the enrolment: whole ones a second, and labd's CPU for each. */
  certificates: { perS: number; cpuMs: number };
};

export function pinTo(pid: number, core: number): void {
  if (canPin) Bun.spawnSync(['taskset', '-acp', String(core), String(pid)], { stdout: 'ignore', stderr: 'ignore' });
}

/** User and system time of a process so far, ms; grains of 10 ms. */
export const cpuMsOf = (pid: number): number => sumTree(pid, readStats()).cpuUs / 1_000;

/** CPU of `pid` while `work` runs, and how long that took, ms. */
export async function costOf(pid: number, work: () => Promise<unknown>): Promise<{ cpuMs: number; wallMs: number }> {
  const [cpu, from] = [cpuMsOf(pid), performance.now()];
  await work();
  return { cpuMs: cpuMsOf(pid) - cpu, wallMs: performance.now() - from };
}

/** A labd of the bench. Simulated machines come through a proxy that it trusts, with addresses of their own. */
export async function benchLabd(folder: string): Promise<RunningLabd> {
  const labd = await startLabd({ folder, toml, labd: 'trusted_proxies = ["127.0.0.1"]', logLevel: 'info' });
  pinTo(labd.daemon.pid, labdCore);
  return labd;
}

/** Enrols `agents` simulated machines, whose keys and requests are made before the clock runs, and the bench's user. */
export async function prepareStage(owned: AsyncDisposableStack, agents: number): Promise<FleetStage> {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fleet-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  pinTo(process.pid, otherCore);
  const fakes = owned.use(startFakeAgents(pinned([], otherCore)));
  await using labd = await benchLabd(folder);
  const wanted = { type: 'reusable', maxUses: agents, ttlMs: 3_600_000 };
  const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', wanted);
  const bundlePem = await bundleOf(labd);
  const caFile = join(folder, 'bundle.pem');
  writeFileSync(caFile, bundlePem);
  const enrolling = { url: labd.agents, bundlePem, token };
  await fakes.ask({ do: 'prepare', count: agents });
  const { cpuMs, wallMs } = await costOf(labd.daemon.pid, () =>
    fakes.ask({ do: 'enrol', count: agents, ...enrolling }),
  );
  const user = await enrolUser(labd, 'bench');
  labd.daemon.signal('SIGTERM');
  await labd.daemon.exited;
  const certificates = { perS: (agents / wallMs) * 1_000, cpuMs: cpuMs / agents };
  return { folder, caFile, fakes, user, agents, certificates };
}
