/** What became of a run that never began: an answer like any other, so that callers have one form to read. */
import { sandboxLimitsSchema, type SandboxResult, unlearnedResult } from '@labmesh/wire/verification/sandbox';

/** Codes of the executor itself; those of backends come on top. */
export const refusals = {
  JOB_INVALID: 400,
  JOB_TOO_LARGE: 413,
  LENGTH_REQUIRED: 411,
  /** As many runs wait as may. */
  POOL_EXHAUSTED: 429,
  /** As many runs of this group wait as may: there is room for others. */
  GROUP_EXHAUSTED: 429,
  /** Too many large jobs are in memory at once. */
  BODY_MEMORY_FULL: 429,
  EXECUTOR_STOPPING: 503,
  /** Nothing went wrong between us: this machine has no such level. */
  LEVEL_UNAVAILABLE: 200,
} as const;
export type RefusalCode = keyof typeof refusals;

/** An outcome with its HTTP status; `exit` refused and sandbox_error say that nothing was learned (SB3). */
export type RunAnswer = {
  status: number;
  /** Whole seconds until another try may do better. */
  retryAfterS?: number;
  result: SandboxResult;
};

type Unlearned = { id?: string; limits?: SandboxResult['limits']; code: string; message: string };

function unlearned(exit: 'refused' | 'sandbox_error', { id = '', limits, code, message }: Unlearned): SandboxResult {
  return unlearnedResult(exit, { id, limits: limits ?? sandboxLimitsSchema.parse({}), error: { code, message } });
}

export const refused = (about: Unlearned & { code: RefusalCode }): RunAnswer => ({
  status: refusals[about.code],
  result: unlearned('refused', about),
});

/** Ours to mend: the details are in the log, under the same id. */
export const failed = (about: Unlearned): RunAnswer => ({ status: 200, result: unlearned('sandbox_error', about) });
