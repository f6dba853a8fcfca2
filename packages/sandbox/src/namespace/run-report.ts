/** What became of a run: read from its pipes, its cgroup and its /tmp once it has ended. */
import {
  sandboxCeilings,
  type SandboxJob,
  type SandboxLimits,
  type SandboxResult,
} from '@labmesh/wire/verification/sandbox';
import type { Cgroup } from '../cgroup/cgroup.ts';
import type { Chain } from '../chain/chain.ts';
import { type FaultCode, nothingLearned } from '../sandbox-result.ts';
import { mapExit } from './map-exit.ts';
import type { NamespaceHost } from './namespace-host.ts';
import type { RunWatch } from './run-watch.ts';
import { collectFiles, isFull } from './work-folder.ts';

/** One run on its way: what is known of it so far. */
export type Run = {
  host: NamespaceHost;
  job: SandboxJob;
  id: string;
  limits: SandboxLimits;
  chain: Chain;
  watch: RunWatch;
  cgroup: Cgroup | undefined;
  /** All of the sandbox was born in its group, which has no limits before `begin`. */
  isBorn: boolean;
  /** A descriptor of the sandbox's /tmp, once it was got. */
  workFolder: number | undefined;
  /** bwrap has ended, and its init was ended with it. */
  isOver: boolean;
};

/** For output after bwrap's end: the last processes die within that. */
export const outputGraceMs = 2_000;
const setupFaultChars = 500;

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

/** No instruction of the job ran, so what stands on stderr is the chain's own; it names paths and stays here. */
export function fault({ id, limits, host }: Run, code: FaultCode, message: string, stderr: Uint8Array): SandboxResult {
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

export async function report(run: Run, wallMs: number): Promise<SandboxResult> {
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
