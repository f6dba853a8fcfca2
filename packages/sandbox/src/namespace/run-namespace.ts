/**
 * A job in an L1 sandbox, from the input files to the last trace:
 *
 *     uid, files ─▶ chain started ─▶ init known ─▶ into its cgroup ─▶ released ─▶ ends, or is ended
 *                                                     ─▶ output, usage, files ─▶ result; cgroup, folder, uid given back
 */
import { join } from 'node:path';
import {
  sandboxCeilings,
  type SandboxJob,
  type SandboxLimits,
  type SandboxResult,
} from '@labmesh/wire/verification/sandbox';
import type { Cgroup } from '../cgroup/cgroup.ts';
import { type FaultCode, JobRefused, nothingLearned } from '../sandbox-result.ts';
import { type Chain, startChain } from './chain.ts';
import { bunInside, jobCommand, type JobCommand } from './job-command.ts';
import { mapExit } from './map-exit.ts';
import type { NamespaceHost } from './namespace-host.ts';
import { recipe } from './recipe.ts';
import { isInit, killInit, sweepInits } from './sandbox-init.ts';
import { RunWatch } from './run-watch.ts';
import { clashingPath, nothingStaged, type StagedFiles, stageFiles } from './staged-files.ts';
import { collectFiles, isFull, takeWorkFolder } from './work-folder.ts';

/** For output after bwrap's end: the last processes die within that. */
const outputGraceMs = 2_000;
/** bwrap, libc and the loader need some descriptors themselves. */
const openFilesMin = 16;
const goneTries = 500;
const goneWaitMs = 4;
const setupFaultChars = 500;
const wordsBytesMax = 1024 * 1024;

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

/** Of a running sandbox alone. */
type Place = {
  uid: number | undefined;
  argv: readonly string[];
  staged: StagedFiles;
  /** Ends of things that need not hold up the result. */
  afterwards: Promise<void>[];
};

/** @throws JobRefused when the job cannot be run by anybody. */
function checkJob(job: SandboxJob, { argv, files, tool }: JobCommand, host: NamespaceHost): void {
  if (tool !== undefined && host.tools[tool] === undefined) {
    throw new JobRefused('TOOL_MISSING', `there is no ${tool} in sandboxes of this machine`);
  }
  const clash = clashingPath(files.map(({ path }) => path));
  if (clash !== undefined) throw new JobRefused('JOB_INVALID', 'two files of the job cannot lie beside each other');
  const words = [...argv, ...Object.entries(job.env).flat()];
  if (words.some((word) => word.includes('\0'))) throw new JobRefused('JOB_INVALID', 'a word holds a NUL character');
  const size = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (size > wordsBytesMax) throw new JobRefused('JOB_INVALID', `argv and env have more than ${wordsBytesMax} bytes`);
}

export const appliedLimits = (limits: SandboxLimits): SandboxLimits => ({
  ...limits,
  openFiles: Math.max(limits.openFiles, openFilesMin),
});

function chainWords(host: NamespaceHost, job: SandboxJob, argv: readonly string[], place: Place): string[] {
  const { bunPath, programs, cgroups, omitted } = host;
  const bun = bunPath === undefined ? [] : [{ source: bunPath, target: bunInside }];
  const input = {
    programs,
    uid: place.uid,
    ownUid: process.getuid?.() ?? 0,
    limits: appliedLimits(job.limits),
    hasCgroup: cgroups.version !== 'none',
    binds: [...host.binds, ...bun, ...place.staged.binds],
    // The single-file program acts as plain Bun by this; Bun itself does not mind.
    env: { ...(bunPath !== undefined && { BUN_BE_BUN: '1' }), ...job.env },
    argv,
  };
  return recipe(input, omitted);
}

function makeCgroup({ cgroups }: NamespaceHost, { memoryBytes, pids }: SandboxLimits): Cgroup | undefined {
  if (cgroups.version === 'none') return undefined;
  // bwrap's init is one of them.
  return cgroups.make({ memoryBytes, pids: pids + 1, cpus: 1 });
}

/** One run on its way: what is known of it so far. */
type Run = {
  host: NamespaceHost;
  job: SandboxJob;
  id: string;
  limits: SandboxLimits;
  chain: Chain;
  watch: RunWatch;
  cgroup: Cgroup | undefined;
  /** A descriptor of the sandbox's /tmp, once it was got. */
  workFolder: number | undefined;
};

/** Waits until bwrap has made the /tmp, when files of it are wanted: a short program would be gone before we look. */
async function holdWorkFolder(run: Run, pid: number): Promise<void> {
  const end = performance.now() + run.host.setupMs;
  while (run.workFolder === undefined && performance.now() < end) {
    run.workFolder = takeWorkFolder(run.chain.fds, pid);
    if (run.workFolder !== undefined) return;
    const isOver = await Promise.race([run.chain.exited.then(() => true), Bun.sleep(1).then(() => false)]);
    if (isOver) return;
  }
}

/** No instruction of the job ran, so what stands on stderr is the chain's own; it names paths and stays here. */
function fault({ id, limits, host }: Run, code: FaultCode, message: string, stderr: Uint8Array): SandboxResult {
  host.setupFault = new TextDecoder().decode(stderr).trim().slice(0, setupFaultChars);
  // A program's name is of the job, and nothing of a job stands in a log.
  const reason = host.setupFault.startsWith('bwrap: execvp') ? undefined : host.setupFault;
  host.log.warn(message, { run: id, ...(reason !== undefined && { reason }) });
  return nothingLearned(id, limits, 'sandbox_error', { code, message });
}

/** Without input files: they are read-only, and where they were bound an empty file is left once the mounts are gone. */
const wantedFiles = ({ collect, files }: SandboxJob) => {
  const given = new Set(files.map(({ path }) => path));
  return collect.filter((path) => !given.has(path));
};

async function report(run: Run, wallMs: number): Promise<SandboxResult> {
  const { host, job, id, chain, cgroup, limits, workFolder, watch } = run;
  const [{ stdout, stderr, isCut }, status] = await Promise.all([chain.output(outputGraceMs), chain.status()]);
  const usage = cgroup?.usage();
  const isTmpFull = workFolder !== undefined && isFull(workFolder);
  const mapped = mapExit({ killed: watch.killed, status, usage, isTmpFull, limits });
  if (mapped === undefined) return fault(run, 'PROGRAM_MISSING', 'the program could not be started inside', stderr);
  const collected =
    workFolder === undefined
      ? { files: [], isCut: false }
      : collectFiles(workFolder, wantedFiles(job), sandboxCeilings.filesBytes);
  return {
    id,
    ...mapped,
    stdout: base64(stdout),
    stderr: base64(stderr),
    truncated: isCut || collected.isCut,
    usage: { wallMs, cpuMs: usage?.cpuMs ?? null, maxRssBytes: usage?.peakBytes ?? null },
    level: 'SANDBOX_L1_NAMESPACE',
    backend: host.backend,
    uidIsolated: host.uids !== undefined,
    cgroup: cgroup !== undefined,
    limits,
    files: collected.files,
    error: null,
  };
}

/** @throws the system's error, unless the process is gone: how it ended is told by the chain. */
function joinCgroup(cgroup: Cgroup | undefined, pid: number): void {
  try {
    cgroup?.add(pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** From the held chain to its result. */
async function drive(run: Run, pid: number, uid: number): Promise<SandboxResult> {
  const { chain, cgroup, watch, job } = run;
  joinCgroup(cgroup, pid);
  if (job.collect.length > 0) await holdWorkFolder(run, pid);
  watch.start(cgroup && (() => cgroup.usage()), () => (run.workFolder ??= takeWorkFolder(chain.fds, pid)));
  chain.release();
  await chain.exited;
  const wallMs = watch.stop();
  // It ends with its bwrap, unless that was ended in the moment before the two were tied.
  killInit(pid, uid);
  return report(run, wallMs);
}

/** Resolves when the sandbox's init is gone, and with it all that was in the sandbox. */
async function awaitGone(pid: number, uid: number): Promise<void> {
  for (let tries = 0; tries < goneTries && isInit(pid, uid); tries++) {
    killInit(pid, uid);
    await Bun.sleep(goneWaitMs);
  }
}

async function inPlace(host: NamespaceHost, job: SandboxJob, id: string, place: Place, signal?: AbortSignal) {
  const limits = appliedLimits(job.limits);
  const uid = place.uid ?? process.getuid?.() ?? 0;
  let pid: number | undefined;
  const kill = () => {
    chain.kill();
    if (pid !== undefined) killInit(pid, uid);
    run.cgroup?.kill();
  };
  const watch = new RunWatch({ limits, kill });
  const chain = startChain({
    words: chainWords(host, job, place.argv, place),
    env: host.spawnEnv ?? {},
    seccompPath: host.seccompPath,
    owner: place.uid,
    stdin: new Uint8Array(Buffer.from(job.stdin, 'base64')),
    outputBytes: limits.outputBytes,
    onFull: () => watch.end('output'),
  });
  host.cgroups.warm();
  const run: Run = { host, job, id, limits, chain, watch, cgroup: undefined, workFolder: undefined };
  signal?.addEventListener('abort', kill, { once: true });
  try {
    pid = await chain.initPid(host.setupMs);
    if (pid === undefined) {
      chain.kill();
      await chain.exited;
      if (place.uid !== undefined) sweepInits((other) => other === place.uid);
      const { stderr } = await chain.output(outputGraceMs);
      return fault(run, 'SETUP_FAILED', 'the sandbox could not be made', stderr);
    }
    run.cgroup = makeCgroup(host, limits);
    // An abort until now may have come before there was anybody to end.
    if (signal?.aborted === true) kill();
    return await drive(run, pid, uid);
  } finally {
    watch.stop();
    signal?.removeEventListener('abort', kill);
    if (pid !== undefined) place.afterwards.push(awaitGone(pid, uid));
    // The word to go is never given by accident: the init is ended before our end of its pipe is closed.
    if (pid !== undefined) killInit(pid, uid);
    await chain[Symbol.asyncDispose]();
    if (run.cgroup !== undefined) place.afterwards.push(removeCgroup(host, run.cgroup));
  }
}

async function removeCgroup({ log }: NamespaceHost, cgroup: Cgroup): Promise<void> {
  if (!(await cgroup.remove())) log.warn('a cgroup of an ended sandbox is still in use');
}

/** Work that need not hold up the result; the uid is free again when nothing of the run is left. */
function leave(host: NamespaceHost, { uid, staged, afterwards }: Place): void {
  const work = (async () => {
    const ends = await Promise.allSettled([...afterwards, staged[Symbol.asyncDispose]()]);
    for (const end of ends)
      if (end.status === 'rejected') host.log.warn('a trace of a sandbox is left', { error: end.reason });
    if (uid !== undefined) host.uids?.give(uid);
  })();
  host.leftovers.add(work);
  void work.finally(() => host.leftovers.delete(work));
}

/**
 * Runs a job. What the job does never throws.
 * @throws JobRefused when it cannot be run; the signal's reason; Error when a sandbox could not be started.
 */
export async function runNamespace(
  host: NamespaceHost,
  job: SandboxJob,
  id: string,
  signal?: AbortSignal,
): Promise<SandboxResult> {
  signal?.throwIfAborted();
  const command = jobCommand(job);
  checkJob(job, command, host);
  const uid = host.uids?.take();
  if (host.uids !== undefined && uid === undefined) throw new JobRefused('UIDS_EXHAUSTED', 'all uids are in use');
  const place: Place = { uid, argv: command.argv, staged: nothingStaged, afterwards: [] };
  try {
    place.staged = await stageFiles(join(host.folder, Bun.randomUUIDv7()), command.files, uid);
    const result = await inPlace(host, job, id, place, signal);
    signal?.throwIfAborted();
    return result;
  } finally {
    leave(host, place);
  }
}
