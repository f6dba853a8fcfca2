/** Opens what this machine can do, level by level, and sends each job to one (verification SB1). */
import { compareLevels, type LevelReport, sandboxLevels, type SandboxJob } from '@labmesh/wire/verification/sandbox';
import { openNamespace } from './namespace/open-namespace.ts';
import { runNamespace } from './namespace/run-namespace.ts';
import { UidPool } from './namespace/uid-pool.ts';
import type { Sandbox, SandboxOptions } from './sandbox.ts';
import { JobRefused, nothingLearned, refusedResult } from './sandbox-result.ts';
import { openWasm, wasmRefusal } from './wasm/open-wasm.ts';

/** Levels of the contract that this program has no driver for. */
const absent = (level: LevelReport['level']): LevelReport => ({
  level,
  ready: false,
  backend: null,
  version: null,
  platform: `${process.platform}-${process.arch}`,
  uidIsolated: false,
  cgroup: 'none',
  reason: 'this program has no driver for it yet',
  tools: {},
});

/**
 * Probes every level with real programs, and keeps what they need until it is disposed of.
 * @throws RangeError for an `uidBase` that cannot be one.
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { uidBase, log, bunPath, wasmCommand, tempDir } = options;
  const uids = process.getuid?.() === 0 ? new UidPool(uidBase) : undefined;
  await using opened = new AsyncDisposableStack();
  const wasm = opened.use(await openWasm({ command: wasmCommand, uids, log }));
  const namespace = opened.use(
    await openNamespace({ uids, bunPath, log, holdChains: true, ...(tempDir !== undefined && { tempDir }) }),
  );
  const reports = sandboxLevels.map(
    (level) => [wasm.report, namespace.report].find((report) => report.level === level) ?? absent(level),
  );

  /** The lowest level that isolates enough and can run the job. */
  const chooseLevel = (job: SandboxJob) =>
    reports.find(
      ({ level, ready }) =>
        ready &&
        compareLevels(level, job.minLevel) >= 0 &&
        (level !== 'SANDBOX_L0_WASM' || wasmRefusal(job) === undefined),
    )?.level;
  const runAt = (job: SandboxJob, id: string, signal?: AbortSignal) => {
    const level = chooseLevel(job);
    if (level === 'SANDBOX_L0_WASM') return wasm.run(job, id, signal);
    if (level === 'SANDBOX_L1_NAMESPACE' && namespace.host) return runNamespace(namespace.host, job, id, signal);
    throw new JobRefused('LEVEL_UNAVAILABLE', `no level from ${job.minLevel} on is ready that can run this job`);
  };
  const kept = opened.move();
  return {
    levels: () => reports,
    run: async (job, id, signal) => {
      try {
        return await runAt(job, id, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof JobRefused) return refusedResult(id, job, error);
        log.error('a sandbox could not be started', { run: id, error });
        const message = 'a sandbox could not be started; the log of the executor tells why';
        return nothingLearned(id, job.limits, 'sandbox_error', { code: 'SETUP_FAILED', message });
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
