/**
 * What a run has of its own, taken before it starts and given back when nothing of it is left: a uid, input files, and
 * the chain of programs, which may have begun before the job came.
 */
import { join } from 'node:path';
import type { SandboxJob, SandboxLimits } from '@labmesh/wire/verification/sandbox';
import type { Cgroup } from '../cgroup/cgroup.ts';
import { type ChainProcess, startChainProcess } from '../chain/chain-process.ts';
import { JobRefused } from '../sandbox-result.ts';
import type { ChainKind, HeldChains } from './held-chains.ts';
import { bunInside } from './job-command.ts';
import type { NamespaceHost } from './namespace-host.ts';
import { privilegeWords, type RecipeInput, sandboxWords } from './recipe.ts';
import { type InputFile, nothingStaged, type StagedFiles, stageFiles } from './staged-files.ts';

export type Place = {
  uid: number | undefined;
  /** Begun before the job came; undefined when there was none, and once the chain has it. */
  process: ChainProcess | undefined;
  /** That such a process is in already. */
  cgroup: Cgroup | undefined;
  kind: ChainKind;
  /** Those that know of this run: they may come to be while the probes run. */
  held: HeldChains | undefined;
  argv: readonly string[];
  staged: StagedFiles;
  /** Ends of things, which are not begun before the result is out. */
  afterwards: (() => Promise<void>)[];
};

/** bwrap, libc and the loader need some descriptors themselves. */
const openFilesMin = 16;
export const appliedLimits = (limits: SandboxLimits): SandboxLimits => ({
  ...limits,
  openFiles: Math.max(limits.openFiles, openFilesMin),
});

export const ownUid = () => process.getuid?.() ?? 0;

/** The part of the chain that is the same for all jobs with the same limits of a process. */
function chainKind({ programs, omitted, spawnEnv }: NamespaceHost, limits: SandboxLimits): ChainKind {
  const words = (uid: number | undefined) => privilegeWords({ programs, uid, ownUid: ownUid(), limits }, omitted);
  return { words, env: spawnEnv ?? {} };
}

/** bwrap's own words. */
export function jobWords(host: NamespaceHost, job: SandboxJob, place: Place): string[] {
  const { bunPath, programs, cgroups, omitted } = host;
  const bun = bunPath === undefined ? [] : [{ source: bunPath, target: bunInside }];
  const input: RecipeInput = {
    programs,
    uid: place.uid,
    ownUid: ownUid(),
    limits: appliedLimits(job.limits),
    hasCgroup: cgroups.version !== 'none',
    binds: [...host.binds, ...bun, ...place.staged.binds],
    // The single-file program acts as plain Bun by this; Bun itself does not mind.
    env: { ...(bunPath !== undefined && { BUN_BE_BUN: '1' }), ...job.env },
    argv: place.argv,
  };
  return sandboxWords(input, omitted);
}

/** The chain that waits for bwrap's words, or one that has them from the start. Who calls ends it. */
export function chainProcess(host: NamespaceHost, words: readonly string[], place: Place): ChainProcess {
  const { uid, kind, process: begun } = place;
  place.process = undefined;
  if (begun === undefined) {
    return startChainProcess({
      words: [...kind.words(uid), ...words],
      env: kind.env,
      seccompPath: host.seccompPath,
      owner: uid,
    });
  }
  void begun.giveWords(words);
  return begun;
}

/** @throws JobRefused when too many run. */
export function takePlace(host: NamespaceHost, argv: readonly string[], limits: SandboxLimits): Place {
  const kind = chainKind(host, limits);
  const { held } = host;
  const begun = held?.begin(kind);
  const uid = begun === undefined ? host.uids?.take() : begun.uid;
  if (host.uids !== undefined && uid === undefined) {
    held?.done(kind);
    throw new JobRefused('UIDS_EXHAUSTED', 'all uids are in use');
  }
  return {
    uid,
    process: begun?.process,
    cgroup: begun?.cgroup,
    kind,
    held,
    argv,
    staged: nothingStaged,
    afterwards: [],
  };
}

/** Lays the input files out where the sandbox's uid can read them. */
export async function stage(host: NamespaceHost, place: Place, files: readonly InputFile[]): Promise<void> {
  place.staged = await stageFiles(join(host.folder, Bun.randomUUIDv7()), files, place.uid);
}

/** What was begun for a job that then could not start. */
async function endBegun({ process, cgroup }: Place): Promise<void> {
  await process?.[Symbol.asyncDispose]();
  await cgroup?.remove();
}

/** The result is on its way by then. */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Work that need not hold up the result; the uid is free again when nothing of the run is left. */
export function leave(host: NamespaceHost, place: Place): void {
  const { uid, staged, afterwards } = place;
  const work = (async () => {
    await nextTurn();
    const ends = await Promise.allSettled([
      ...afterwards.map((end) => end()),
      staged[Symbol.asyncDispose](),
      endBegun(place),
    ]);
    for (const end of ends)
      if (end.status === 'rejected') host.log.warn('a trace of a sandbox is left', { error: end.reason });
    if (uid !== undefined) host.uids?.give(uid);
    place.held?.done(place.kind);
  })();
  host.leftovers.add(work);
  void work.finally(() => host.leftovers.delete(work));
}
