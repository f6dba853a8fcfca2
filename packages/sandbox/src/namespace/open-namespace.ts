/** Makes level L1 ready, or says what is missing. */
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@labmesh/kit/log';
import type { LevelReport } from '@labmesh/wire/verification/sandbox';
import { openCgroups } from '../cgroup/open-cgroups.ts';
import { seccompProgram } from '../seccomp/seccomp-program.ts';
import { HeldChains } from './held-chains.ts';
import { findPrograms, type NamespaceHost } from './namespace-host.ts';
import { probeNamespace } from './probe-namespace.ts';
import { sweepInits } from './sandbox-init.ts';
import type { UidPool } from './uid-pool.ts';

export type NamespaceOptions = {
  /** Undefined when we are not root. */
  uids: UidPool | undefined;
  bunPath: string;
  tempDir?: string;
  log: Logger;
  /** Begin chains before their jobs come, from the first run on. */
  holdChains?: boolean;
};
export type Namespace = AsyncDisposable & {
  report: LevelReport;
  /** Undefined when the level is not ready. */
  host: NamespaceHost | undefined;
};

/** First with `--disable-userns`. */
const bwrapMin = [0, 8] as const;
const prefix = 'labmesh-sandbox-';
const packagesOf = 'install bubblewrap 0.8 or later';

type Facts = { version: string | null; uidIsolated: boolean; cgroup: LevelReport['cgroup'] };
const noFacts: Facts = { version: null, uidIsolated: false, cgroup: 'none' };

export const notReady = (reason: string, { version, uidIsolated, cgroup }: Facts = noFacts): LevelReport => ({
  level: 'SANDBOX_L1_NAMESPACE',
  ready: false,
  backend: version === null ? null : 'bubblewrap',
  version,
  platform: `${process.platform}-${process.arch}`,
  uidIsolated,
  cgroup,
  reason,
  tools: {},
});

/** Of `bwrap --version`; undefined when it cannot even say that. */
async function bwrapVersion(path: string): Promise<string | undefined> {
  try {
    const child = Bun.spawn([path, '--version'], { env: {}, cwd: '/', stdio: ['ignore', 'pipe', 'ignore'] });
    return /\d+(?:\.\d+)+/.exec(await new Response(child.stdout).text())?.[0];
  } catch {
    return undefined;
  }
}

const isNewEnough = (version: string) => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > bwrapMin[0] || (major === bwrapMin[0] && minor >= bwrapMin[1]);
};

const isGone = (pid: number) => {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
};

/** Folders of executors that were killed; only ours, in a place that others may write to as well. */
function sweepFolders(tempDir: string): void {
  for (const name of readdirSync(tempDir)) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || !isGone(Number(pid))) continue;
    try {
      const path = join(tempDir, name);
      // Not where a link leads: anybody may lay one here, and nobody but us a folder of ours.
      if (lstatSync(path).uid === process.getuid?.()) rmSync(path, { recursive: true, force: true });
    } catch {}
  }
}

function makeFolder(tempDir: string): { folder: string; seccompPath: string } {
  sweepFolders(tempDir);
  const folder = mkdtempSync(join(tempDir, `${prefix}${process.pid}-`));
  // Uids of sandboxes pass through to the folder that is theirs; none can list it.
  chmodSync(folder, 0o711);
  const seccompPath = join(folder, 'seccomp');
  writeFileSync(seccompPath, seccompProgram(process.arch === 'arm64' ? 'arm64' : 'x64'), { mode: 0o600 });
  return { folder, seccompPath };
}

/** Where Debian's commands such as awk point to: links alone. */
const alternatives = { source: '/etc/alternatives', target: '/etc/alternatives' };
const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Never throws: what goes wrong is the report's reason. */
export async function openNamespace(options: NamespaceOptions): Promise<Namespace> {
  const absent = (reason: string, facts?: Facts): Namespace => ({
    report: notReady(reason, facts),
    host: undefined,
    [Symbol.asyncDispose]: async () => {},
  });
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    return absent('needs Linux on x86-64 or arm64');
  }
  const found = findPrograms();
  if ('missing' in found) return absent(found.missing);
  const version = await bwrapVersion(found.programs.bwrap);
  if (version === undefined || !isNewEnough(version)) return absent(`bubblewrap is too old; ${packagesOf}`);
  const cgroups = await openCgroups();
  const { uids } = options;
  if (uids !== undefined) sweepInits((uid) => uids.holds(uid));
  const { folder, seccompPath } = makeFolder(options.tempDir ?? tmpdir());
  const host: NamespaceHost = {
    programs: found.programs,
    uids,
    cgroups,
    folder,
    seccompPath,
    backend: `bubblewrap ${version}`,
    binds: isThere(alternatives.source) ? [alternatives] : [],
    bunPath: undefined,
    tools: {},
    log: options.log,
    setupMs: 20_000,
    leftovers: new Set(),
  };
  const close = async () => {
    await Promise.allSettled(host.leftovers);
    await host.held?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  const facts = { version, uidIsolated: uids !== undefined, cgroup: cgroups.version };
  const reason = await probeNamespace(host, options.bunPath);
  if (reason !== undefined) {
    await close();
    return absent(reason, facts);
  }
  // Not for the probes: who never runs a job pays nothing.
  if (options.holdChains === true) host.held = new HeldChains({ uids, cgroups, seccompPath });
  const report = { ...notReady('', facts), ready: true, reason: cgroups.reason ?? null, tools: host.tools };
  return { report, host, [Symbol.asyncDispose]: close };
}
