/**
 * The escape suite can see (verification AC2): each flag of the recipe is left out once, and a case must fail that holds
 * with it. Where two things hold the same door, the other one is open in both runs.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cgroups } from './cgroup/open-cgroups.ts';
import type { NamespaceHost } from './namespace/namespace-host.ts';
import { recipe } from './namespace/recipe.ts';
import { killExecutor } from './testing/end-of-executor.ts';
import type { EscapeCase } from './testing/escape-case.ts';
import { mustEnd } from './testing/escape-case.ts';
import { type EscapeWorld, openEscapeWorld } from './testing/escape-world.ts';
import { namespaceCases } from './testing/namespace-cases.ts';
import { isRoot, needsNamespaces, openTestNamespace, type TestNamespace } from './testing/open-test-namespace.ts';
import { resourceCases } from './testing/resource-cases.ts';
import { tryCase } from './testing/try-case.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

/** What stands open in both runs. */
type Besides = (opened: TestNamespace, folder: string) => Partial<NamespaceHost>;
type Row = { flag: string; seenBy: string; besides?: Besides; rootOnly?: boolean };

const withoutCgroup: Besides = ({ withoutCgroup: { cgroups } }) => ({ cgroups });

/** A slow executor: what is not held has long begun when it is put into its group. */
const slowCgroup: Besides = ({ host: { cgroups } }) => ({
  cgroups: {
    ...cgroups,
    make: (limits) => {
      Bun.sleepSync(200);
      return cgroups.make(limits);
    },
  } satisfies Cgroups,
});

/** A bwrap that is setuid root, as Debian had it where user namespaces were off. */
const setuidBwrap: Besides = ({ host: { programs } }, folder) => {
  const bwrap = join(folder, 'bwrap');
  copyFileSync(programs.bwrap, bwrap);
  chmodSync(bwrap, 0o4755);
  return { programs: { ...programs, bwrap } };
};

const rows: readonly Row[] = [
  { flag: '--core', seenBy: 'process limits' },
  { flag: '--nofile', seenBy: 'process limits' },
  { flag: '--fsize', seenBy: 'sparse file' },
  { flag: '--cpu', seenBy: 'process limits' },
  { flag: '--clear-groups', seenBy: 'privileges', rootOnly: true },
  { flag: '--bounding-set', seenBy: 'outer process', rootOnly: true },
  { flag: '--no-new-privs', seenBy: 'privileges', besides: setuidBwrap, rootOnly: true },
  { flag: '--unshare-all', seenBy: 'host loopback' },
  { flag: '--unshare-all', seenBy: 'abstract sockets' },
  { flag: '--unshare-all', seenBy: 'host processes' },
  { flag: '--unshare-all', seenBy: 'shared memory of the host' },
  { flag: '--unshare-user', seenBy: 'privileges' },
  { flag: '--disable-userns', seenBy: 'new namespaces', besides: () => ({ omitted: new Set(['--seccomp']) }) },
  { flag: '--new-session', seenBy: 'host processes' },
  { flag: '--hostname', seenBy: 'host name' },
  {
    flag: '--clearenv',
    seenBy: 'environment',
    besides: () => ({ spawnEnv: { LABMESH_MARKER: `labmesh-marker-${process.pid}` } }),
  },
  { flag: '--setenv', seenBy: 'environment' },
  { flag: '--ro-bind /usr', seenBy: 'privileges' },
  { flag: '--symlink', seenBy: 'privileges' },
  { flag: '--proc', seenBy: 'host processes' },
  { flag: '--ro-bind /proc/sys', seenBy: 'writes outside of /tmp' },
  { flag: '--dev', seenBy: 'devices' },
  { flag: '--size /dev/shm', seenBy: '/dev/shm fill' },
  { flag: '--tmpfs /dev/shm', seenBy: '/dev/shm fill' },
  { flag: '--remount-ro /dev', seenBy: 'writes outside of /tmp' },
  { flag: '--size /tmp', seenBy: '/tmp fill' },
  { flag: '--tmpfs /tmp', seenBy: '/tmp fill' },
  { flag: '--chdir', seenBy: 'host folders' },
  { flag: '--remount-ro /', seenBy: 'writes outside of /tmp' },
  { flag: '--seccomp', seenBy: 'denied calls' },
  { flag: '--seccomp', seenBy: 'typing into a terminal' },
  { flag: '--info-fd', seenBy: 'privileges', besides: () => ({ setupMs: 2000 }) },
  { flag: '--block-fd', seenBy: 'cgroup from the first instruction', besides: slowCgroup },
  { flag: '--json-status-fd', seenBy: 'privileges' },
  { flag: 'rlimits inside', seenBy: 'fork bomb', besides: withoutCgroup },
  { flag: 'rlimits inside', seenBy: 'memory bomb', besides: withoutCgroup },
];

/** Flags that hold what another holds as well, for good; with the reason. */
const doubled: Readonly<Record<string, string>> = {
  '--reuid': 'the code refuses to start bwrap as root, see below',
  '--inh-caps': 'bwrap drops inherited capabilities as well, as its first act',
  '--cap-drop': 'a bwrap without setuid drops all capabilities unless some are asked for',
  binds: 'input files, not a limit',
};

const fromTheFirst: EscapeCase = {
  name: 'cgroup from the first instruction',
  job: () => ({ argv: ['/usr/bin/cat', '/proc/self/cgroup'] }),
  fault: (seen) => mustEnd(seen, 'ok') ?? (seen.stdout.includes('labmesh-sandbox-') ? undefined : 'it began outside'),
};
const cases = new Map([...namespaceCases, ...resourceCases, fromTheFirst].map((each) => [each.name, each]));

describe.skipIf(needsNamespaces !== undefined)(`each flag of the recipe (${needsNamespaces ?? 'ready'})`, () => {
  let world: EscapeWorld;
  let opened: TestNamespace;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'flags-'));
    chmodSync(folder, 0o711);
    world = await openEscapeWorld();
    opened = await openTestNamespace();
  });
  afterAll(async () => {
    await opened[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const usable = rows.filter(({ rootOnly }) => rootOnly !== true || isRoot);
  test.each(usable.map((row) => [row.flag, row.seenBy, row] as const))(
    '%s is seen by: %s',
    async (flag, seenBy, row) => {
      const escape = cases.get(seenBy);
      if (escape === undefined) throw new Error(`there is no case ${seenBy}`);
      const base: NamespaceHost = { ...opened.host, ...row.besides?.(opened, folder) };
      if (seenBy.startsWith('cgroup') && base.cgroups.version === 'none') return;
      expect(await tryCase(base, escape, world)).toBeUndefined();
      const weak = { ...base, omitted: new Set([...(base.omitted ?? []), flag]) };
      expect(await tryCase(weak, escape, world)).toBeString();
    },
  );

  test('--die-with-parent is seen by: the end of the executor', async () => {
    expect(await killExecutor({ ...opened.host, omitted: new Set(['--die-with-parent']) })).toBe('it lives on');
  });

  test.skipIf(!isRoot)('bwrap is never started with uid 0, whatever is left out', async () => {
    const privileges = cases.get('privileges');
    const weak = { ...opened.host, omitted: new Set(['--reuid']) };
    expect(await tryCase(weak, privileges ?? fromTheFirst, world).catch(asIs)).toMatchObject({
      message: expect.stringContaining('never started with uid 0'),
    });
  });

  test('the table names every flag', () => {
    const { programs } = opened.host;
    const input = { programs, ownUid: 1, uid: 1000, limits: testLimits, binds: [], env: {}, argv: ['true'] };
    const flags = (hasCgroup: boolean) => recipe({ ...input, hasCgroup });
    const left = (flag: string) => recipe({ ...input, hasCgroup: false }, new Set([flag]));
    const named = [...rows.map(({ flag }) => flag), '--die-with-parent', '--cap-drop', '--inh-caps'];
    // What remains when all that is named is left out: programs, uid and command.
    const rest = recipe({ ...input, hasCgroup: false }, new Set(named));
    expect(rest).toEqual([
      programs.prlimit,
      programs.setpriv,
      '--reuid',
      '1000',
      '--regid',
      '1000',
      programs.bwrap,
      '--',
      'true',
    ]);
    for (const flag of named) expect(left(flag).length, flag).toBeLessThan(flags(false).length);
    expect(Object.keys(doubled)).toHaveLength(4);
  });
});

const testLimits = {
  wallMs: 1000,
  cpuMs: 1000,
  memoryBytes: 1,
  pids: 1,
  tmpBytes: 1,
  outputBytes: 1,
  fileBytes: 1,
  openFiles: 16,
};
