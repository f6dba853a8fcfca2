/**
 * A job in an L1 sandbox, from the input files to the last trace:
 *
 *     uid, files ─▶ chain started ─▶ init known ─▶ into its cgroup ─▶ released ─▶ ends, or is ended
 *                                                     ─▶ output, usage, files ─▶ result; cgroup, folder, uid given back
 */
import type { SandboxJob, SandboxLimits, SandboxResult } from '@labmesh/wire/verification/sandbox';
import type { Cgroup } from '../cgroup/cgroup.ts';
import { startChain } from '../chain/chain.ts';
import { checkJob, jobCommand } from './job-command.ts';
import type { NamespaceHost } from './namespace-host.ts';
import { appliedLimits, chainProcess, jobWords, leave, ownUid, type Place, stage, takePlace } from './run-place.ts';
import { fault, outputGraceMs, report, type Run } from './run-report.ts';
import { isInit, killInit, sweepInits } from './sandbox-init.ts';
import { RunWatch } from './run-watch.ts';
import { takeWorkFolder } from './work-folder.ts';

const goneTries = 500;
const goneWaitMs = 4;

/** bwrap's init is one of them, and bwrap itself where it is in the group too. */
const groupLimits = ({ memoryBytes, pids }: SandboxLimits, isBorn: boolean) => ({
  memoryBytes,
  pids: pids + (isBorn ? 2 : 1),
  cpus: 1,
});

/** The group that the chain is in already, or one for the init to be moved to. */
function takeCgroup({ cgroups }: NamespaceHost, limits: SandboxLimits, place: Place): Cgroup | undefined {
  const begun = place.cgroup;
  place.cgroup = undefined;
  if (begun !== undefined || cgroups.version === 'none') return begun;
  const made = cgroups.make(groupLimits(limits, false));
  // In this order: the kernel holds one lock for both, and this keeps it for long.
  cgroups.warm();
  return made;
}

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

/** @throws the system's error, unless the process is gone: how it ended is told by the chain. */
function enterCgroup({ cgroup, limits, isBorn }: Run, pid: number): void {
  try {
    if (isBorn) cgroup?.begin(groupLimits(limits, true));
    else cgroup?.add(pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** From the held chain to its result. */
async function drive(run: Run, pid: number, uid: number): Promise<SandboxResult> {
  const { chain, cgroup, watch, job } = run;
  enterCgroup(run, pid);
  if (job.collect.length > 0) await holdWorkFolder(run, pid);
  watch.start(cgroup && (() => cgroup.usage()), () => (run.workFolder ??= takeWorkFolder(chain.fds, pid)));
  chain.release();
  await chain.exited;
  const wallMs = watch.stop();
  // It ends with its bwrap, unless that was ended in the moment before the two were tied.
  killInit(pid, uid);
  run.isOver = true;
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
  const uid = place.uid ?? ownUid();
  let pid: number | undefined;
  const kill = () => {
    chain.kill();
    if (pid !== undefined) killInit(pid, uid);
    run.cgroup?.kill();
  };
  const watch = new RunWatch({ limits, kill });
  const chain = startChain(chainProcess(host, jobWords(host, job, place), place), {
    stdin: new Uint8Array(Buffer.from(job.stdin, 'base64')),
    outputBytes: limits.outputBytes,
    onFull: () => watch.end('output'),
  });
  const isBorn = place.cgroup !== undefined;
  const run: Run = {
    isBorn,
    host,
    job,
    id,
    limits,
    chain,
    watch,
    cgroup: undefined,
    workFolder: undefined,
    isOver: false,
  };
  signal?.addEventListener('abort', kill, { once: true });
  try {
    // While the chain is on its way.
    run.cgroup = takeCgroup(host, limits, place);
    pid = await chain.initPid(host.setupMs);
    if (pid === undefined) {
      chain.kill();
      await chain.exited;
      sweepUnknown(place);
      const { stderr } = await chain.output(outputGraceMs);
      return fault(run, 'SETUP_FAILED', 'the sandbox could not be made', stderr);
    }
    // An abort until now may have come before there was anybody to end.
    if (signal?.aborted === true) kill();
    return await drive(run, pid, uid);
  } finally {
    watch.stop();
    signal?.removeEventListener('abort', kill);
    // The word to go is never given by accident: the init is ended before our end of its pipe is closed.
    if (pid !== undefined && !run.isOver) killInit(pid, uid);
    await chain[Symbol.asyncDispose]();
    if (pid === undefined) sweepUnknown(place);
    place.afterwards.push(() => clearAway(run, pid, uid));
  }
}

/** For a chain that was ended before it told of its init. */
function sweepUnknown({ uid }: Place): void {
  if (uid !== undefined) sweepInits((other) => other === uid);
}

/** What outlives a run for a moment: its processes on their way out, and then the group that they were in. */
async function clearAway({ host, cgroup }: Run, pid: number | undefined, uid: number): Promise<void> {
  if (pid !== undefined) await awaitGone(pid, uid);
  if (cgroup !== undefined) await removeCgroup(host, cgroup);
}

async function removeCgroup({ log }: NamespaceHost, cgroup: Cgroup): Promise<void> {
  if (!(await cgroup.remove())) log.warn('a cgroup of an ended sandbox is still in use');
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
  checkJob(job, command, host.tools);
  const place = takePlace(host, command.argv, appliedLimits(job.limits));
  try {
    await stage(host, place, command.files);
    const result = await inPlace(host, job, id, place, signal);
    signal?.throwIfAborted();
    return result;
  } finally {
    leave(host, place);
  }
}
