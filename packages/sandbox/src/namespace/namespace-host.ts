/** What all L1 sandboxes of this process share. */
import type { Logger } from '@labmesh/kit/log';
import { findProgram } from '../find-program.ts';
import type { Cgroups } from '../cgroup/open-cgroups.ts';
import type { HeldChains } from './held-chains.ts';
import type { Bind, Omitted, RecipeInput } from './recipe.ts';
import type { UidPool } from './uid-pool.ts';

export type NamespaceHost = {
  programs: RecipeInput['programs'];
  /** Undefined when we are not root: the sandbox has our own uid then. */
  uids: UidPool | undefined;
  cgroups: Cgroups;
  /** Holds the system call filter and, for a while, input files of jobs. */
  folder: string;
  seccompPath: string;
  /** Such as `bubblewrap 0.8.0`. */
  backend: string;
  /** What every sandbox sees of the host beside /usr. */
  binds: readonly Bind[];
  /** Bound at /opt/bun; undefined when sandboxes could not read it. */
  bunPath: string | undefined;
  /** Interpreters seen inside, with versions; empty before the probe. */
  tools: Record<string, string>;
  /** What the chain said when it last failed before the job began. */
  setupFault?: string;
  log: Logger;
  /** For the chain to make its namespaces, on a machine that is busy. */
  setupMs: number;
  /** Work that goes on after a result: removing cgroups, folders. */
  leftovers: Set<Promise<void>>;
  /** Chains begun ahead; undefined: every run starts its own. */
  held?: HeldChains;
  /** For tests alone. */
  omitted?: Omitted;
  spawnEnv?: Record<string, string>;
};

const packages = { prlimit: 'util-linux', setpriv: 'util-linux', bwrap: 'bubblewrap' } as const;

/** The programs of the chain, or what to install. */
export function findPrograms(): { programs: RecipeInput['programs'] } | { missing: string } {
  const [prlimit, setpriv, bwrap] = [findProgram('prlimit'), findProgram('setpriv'), findProgram('bwrap')];
  if (prlimit !== undefined && setpriv !== undefined && bwrap !== undefined) {
    return { programs: { prlimit, setpriv, bwrap } };
  }
  const missing = Object.entries({ prlimit, setpriv, bwrap }).flatMap(([name, path]) =>
    path === undefined ? [name] : [],
  );
  const needed = new Set(missing.map((name) => packages[name as keyof typeof packages]));
  return { missing: `${missing.join(', ')} not found; install ${[...needed].join(' and ')}` };
}
