/** Results of runs from which nothing was learned, and what all results have in common. */
import {
  type SandboxJob,
  type SandboxLimits,
  type SandboxResult,
  unlearnedResult,
} from '@labmesh/wire/verification/sandbox';

/** Why nothing was learned. */
export type FaultCode =
  | 'LEVEL_UNAVAILABLE'
  | 'TOOL_MISSING'
  | 'JOB_INVALID'
  | 'UIDS_EXHAUSTED'
  | 'PROGRAM_MISSING'
  | 'SETUP_FAILED'
  | 'WORKER_DIED';

/** The job can not be run here at all: `refused`. */
export class JobRefused extends Error {
  readonly code: FaultCode;
  constructor(code: FaultCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A result without output. Messages never hold a path of the host or anything of the job. */
export function nothingLearned(
  id: string,
  limits: SandboxLimits,
  exit: 'refused' | 'sandbox_error',
  error: { code: FaultCode; message: string },
): SandboxResult {
  return unlearnedResult(exit, { id, limits, error });
}

export const refusedResult = (id: string, job: SandboxJob, { code, message }: JobRefused): SandboxResult =>
  nothingLearned(id, job.limits, 'refused', { code, message });
