/** What this package gives: a door to run hostile code at a stated isolation level (verification SB1-SB3). */

import type { Logger } from '@labmesh/kit/log';
import type { LevelReport, SandboxJob, SandboxResult } from '@labmesh/wire/verification/sandbox';

export type SandboxOptions = {
  /** First of 1,024 uids that belong to sandboxes alone (`sandbox.uid_base`); used when we are root. */
  uidBase: number;
  log: Logger;

  /** The Bun executable, or the single-file program, which acts as one: it stands at /opt/bun inside. */
  bunPath: string;
  /** Words that start `runWasmChild()` of `wasm/wasm-child.ts` in a process of its own. */
  wasmCommand: readonly string[];
  /** Where input files of running jobs lie; a folder of ours is made in it. The system's folder for such unless told. */
  tempDir?: string;
};

export type Sandbox = AsyncDisposable & {
  /** What the probes saw at the start, L0 to L4. */
  levels: () => LevelReport[];
  /**
   * Runs a job at the lowest ready level that is at least `job.minLevel` and can run it. Never rejects for what the job
   * does. `id` names the run in the result. The caller bounds how many run at once.
   * @throws the signal's reason, once nothing of the job is left.
   */
  run: (job: SandboxJob, id: string, signal?: AbortSignal) => Promise<SandboxResult>;
};
