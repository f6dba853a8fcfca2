/** Level L1 for tests, with uids of their own and a word about what is missing. */
import { readdirSync } from 'node:fs';
import { silentLogger } from '@labmesh/kit/log';
import { findCgroups } from '../cgroup/find-cgroups.ts';
import { noCgroups } from '../cgroup/open-cgroups.ts';
import { readOr } from '../cgroup/cgroup.ts';
import { findProgram } from '../find-program.ts';
import type { NamespaceHost } from '../namespace/namespace-host.ts';
import { openNamespace } from '../namespace/open-namespace.ts';
import { UidPool, uidsOfSandboxes } from '../namespace/uid-pool.ts';

const packages = {
  bwrap: 'bubblewrap',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  python3: 'python3',
  bash: 'bash',
};
const missing = Object.entries(packages).flatMap(([name, from]) => (findProgram(name) === undefined ? [from] : []));
/** Why tests of L1 are left out; undefined when they can run. */
export const needsNamespaces = missing.length === 0 ? undefined : `needs ${[...new Set(missing)].join(', ')}`;
export const isRoot = process.getuid?.() === 0;

/** Two runs of the tests on one machine seldom meet; one run takes another range each time. */
let nextRange = 2000 + (process.pid % 10_000) * 100;

export type TestNamespace = AsyncDisposable & {
  host: NamespaceHost;
  /** The same, as on a machine without cgroups. */
  withoutCgroup: NamespaceHost;
  isOurUid: (uid: number) => boolean;
  /** Names of groups that this process has made and that are still there. */
  cgroupsLeft: () => string[];
};

function cgroupsLeft(): string[] {
  const places = findCgroups(readOr('/proc/self/cgroup'), readOr('/proc/self/mountinfo'));
  if (places.kind === 'none') return [];
  const folders = places.kind === 'v1' ? Object.values(places.folders) : [places.folder];
  return folders.flatMap((folder) =>
    folder === undefined
      ? []
      : readdirSync(folder).filter((name) => name.startsWith(`labmesh-sandbox-${process.pid}-`)),
  );
}

/** @throws Error with the report's reason when the level is not ready. */
export async function openTestNamespace({ tempDir }: { tempDir?: string } = {}): Promise<TestNamespace> {
  const uidBase = nextRange++ * uidsOfSandboxes;
  const opened = await openNamespace({
    uids: isRoot ? new UidPool(uidBase) : undefined,
    bunPath: process.execPath,
    log: silentLogger,
    ...(tempDir !== undefined && { tempDir }),
  });
  const { host, report } = opened;
  if (host === undefined) throw new Error(`level L1 is not ready: ${report.reason ?? ''}`);
  return {
    host,
    withoutCgroup: { ...host, cgroups: noCgroups('left out for a test') },
    isOurUid: (uid) => isRoot && uid >= uidBase && uid < uidBase + uidsOfSandboxes,
    cgroupsLeft,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
