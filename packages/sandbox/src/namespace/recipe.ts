/**
 * The one chain of programs that makes an L1 sandbox (verification SB5), without a shell between them:
 *
 *     prlimit (limits of a process) ─▶ setpriv (uid of its own, no capabilities) ─▶ bwrap (namespaces, mounts) ─▶ ARGV
 *
 * Every flag has a name, so that the tests can leave one out and watch the escape suite notice. Descriptors of the
 * chain: 0-2 pipes, 3 system call filter, 4 facts about the child, 5 held until the child is in its cgroup, 6 status.
 */
import type { SandboxLimits } from '@labmesh/wire/verification/sandbox';

export const chainFds = { seccomp: 3, info: 4, block: 5, status: 6 } as const;
export const sharedMemoryBytes = 8 * 1024 * 1024;

export type Bind = { source: string; target: string };
export type RecipeInput = {
  programs: { prlimit: string; setpriv: string; bwrap: string };
  /** Of this sandbox alone; undefined when we are not root and stay who we are. */
  uid: number | undefined;
  /** Uid of this process: root never starts bwrap as itself. */
  ownUid: number;
  limits: SandboxLimits;
  /** Without a cgroup, memory and processes are held by rlimits inside. */
  hasCgroup: boolean;
  binds: readonly Bind[];
  env: Readonly<Record<string, string>>;
  argv: readonly string[];
};

/** `flag` names it for tests; those that share a name leave together. */
export type Part = { flag: string; words: readonly string[] };

const part = (flag: string, ...words: (string | number)[]): Part => ({ flag, words: words.map(String) });

const cpuSeconds = ({ cpuMs }: SandboxLimits) => Math.ceil(cpuMs / 1000);
const prlimitParts = ({ limits }: PrivilegeInput): Part[] => [
  part('--core', '--core=0'),
  part('--nofile', `--nofile=${limits.openFiles}`),
  part('--fsize', `--fsize=${limits.fileBytes}`),
  // SIGXCPU first, which tells why; a program that ignores it is killed a second later.
  part('--cpu', `--cpu=${cpuSeconds(limits)}:${cpuSeconds(limits) + 1}`),
];

const setprivParts = ({ uid }: PrivilegeInput): Part[] => [
  ...(uid === undefined
    ? []
    : [
        part('--reuid', '--reuid', uid, '--regid', uid),
        part('--clear-groups', '--clear-groups'),
        part('--bounding-set', '--bounding-set=-all'),
      ]),
  part('--inh-caps', '--inh-caps=-all'),
  part('--no-new-privs', '--no-new-privs'),
];

/** The order counts: each mount is made when its word is read, and made read-only when all below it stands. */
const mountParts = ({ limits, binds }: RecipeInput): Part[] => [
  part('--ro-bind /usr', '--ro-bind', '/usr', '/usr'),
  ...[
    ['usr/lib', '/lib'],
    ['usr/lib64', '/lib64'],
    ['usr/bin', '/bin'],
  ].map(([to = '', from = '']) => part('--symlink', '--symlink', to, from)),
  part('--proc', '--proc', '/proc'),
  part('--ro-bind /proc/sys', '--ro-bind', '/proc/sys', '/proc/sys'),
  part('--dev', '--dev', '/dev'),
  part('--size /dev/shm', '--size', sharedMemoryBytes),
  part('--tmpfs /dev/shm', '--tmpfs', '/dev/shm'),
  part('--remount-ro /dev', '--remount-ro', '/dev'),
  part('--size /tmp', '--size', limits.tmpBytes),
  part('--tmpfs /tmp', '--tmpfs', '/tmp'),
  part('--chdir', '--chdir', '/tmp'),
  ...binds.map(({ source, target }) => part('binds', '--ro-bind', source, target)),
  part('--remount-ro /', '--remount-ro', '/'),
];

const bwrapParts = (input: RecipeInput): Part[] => [
  part('--unshare-all', '--unshare-all'),
  part('--unshare-user', '--unshare-user'),
  part('--disable-userns', '--disable-userns'),
  part('--die-with-parent', '--die-with-parent'),
  part('--new-session', '--new-session'),
  part('--cap-drop', '--cap-drop', 'ALL'),
  part('--hostname', '--hostname', 'sandbox'),
  part('--clearenv', '--clearenv'),
  ...Object.entries({ PATH: '/usr/bin:/bin', HOME: '/tmp', LANG: 'C.UTF-8', ...input.env }).map(([name, value]) =>
    part('--setenv', '--setenv', name, value),
  ),
  ...mountParts(input),
  part('--seccomp', '--seccomp', chainFds.seccomp),
  part('--info-fd', '--info-fd', chainFds.info),
  part('--block-fd', '--block-fd', chainFds.block),
  part('--json-status-fd', '--json-status-fd', chainFds.status),
];

/**
 * Nothing but rlimits holds memory and processes where there is no cgroup. Set inside, where the kernel counts the
 * processes of this user namespace only.
 */
const insideLimits = ({ hasCgroup, limits }: RecipeInput): Part[] =>
  hasCgroup
    ? []
    : [
        // bwrap's own init counts as one.
        part('rlimits inside', '/usr/bin/prlimit', `--nproc=${limits.pids + 1}`, `--data=${limits.memoryBytes}`, '--'),
      ];

/** What `recipe` leaves out, by flag; for tests alone. */
export type Omitted = ReadonlySet<string>;
const none: Omitted = new Set();

const wordsOf = (parts: Part[], omitted: Omitted) =>
  parts.flatMap((each) => (omitted.has(each.flag) ? [] : each.words));

/** What the words before bwrap depend on: all of it is known before the job, save its limits. */
export type PrivilegeInput = Pick<RecipeInput, 'programs' | 'uid' | 'ownUid' | 'limits'>;

/**
 * The chain up to bwrap: limits of a process, and the end of all privileges.
 * @throws Error when bwrap would run as root: it would keep the kernel's uid 0 and could write to the host's /proc.
 */
export function privilegeWords(input: PrivilegeInput, omitted: Omitted = none): string[] {
  if ((input.uid ?? input.ownUid) === 0 || omitted.has('--reuid')) throw new Error('bwrap is never started with uid 0');
  const { programs } = input;
  return [
    programs.prlimit,
    ...wordsOf(prlimitParts(input), omitted),
    programs.setpriv,
    ...wordsOf(setprivParts(input), omitted),
  ];
}

/** bwrap, and what it starts. */
export const sandboxWords = (input: RecipeInput, omitted: Omitted = none): string[] => [
  input.programs.bwrap,
  ...wordsOf(bwrapParts(input), omitted),
  '--',
  ...wordsOf(insideLimits(input), omitted),
  ...input.argv,
];

/**
 * The words of the whole chain.
 * @throws Error when bwrap would run as root.
 */
export const recipe = (input: RecipeInput, omitted: Omitted = none): string[] => [
  ...privilegeWords(input, omitted),
  ...sandboxWords(input, omitted),
];
