/** Why a run ends without a result: one of the gateway's codes, with a text that may be shown to the client. */
import { ApiError, type ErrorCode, errorTable } from '@labmesh/wire/errors';
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import { Stopped, type StopReason } from '../generate/early-stop.ts';
import type { StoredFault } from '../rows/run-rows.ts';

type ErrorEvent = Extract<ArenaEvent, { event: 'error' }>;
export type FaultCode = ErrorEvent['code'];

export class RunFault extends Error {
  readonly code: FaultCode;
  readonly field: string | null;
  readonly retryAfterS: number | null;

  /** @param text public; absent: the table's. */
  constructor(code: FaultCode, text?: string, more: { field?: string; retryAfterS?: number; cause?: unknown } = {}) {
    const row: { text: string; retryAfterS?: number } = errorTable[code];
    super(text ?? row.text, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'RunFault';
    this.code = code;
    this.field = more.field ?? null;
    this.retryAfterS = more.retryAfterS ?? row.retryAfterS ?? null;
  }
}

/** Codes of a failed generation that say more to the client than `upstream_error`. */
const told = ['context_length_exceeded', 'model_not_found', 'no_endpoint_available', 'budget_exceeded'] as const;

/** The fault of a run all of whose variations failed for these reasons. */
export function generationFault(reasons: readonly (string | null)[]): RunFault {
  const [first] = reasons;
  const code = told.find((one) => one === first && reasons.every((reason) => reason === one));
  if (code !== undefined) return new RunFault(code);
  return new RunFault('upstream_error', 'no variation of the answer could be generated');
}

/** The fault of a run that was halted before there was anything to give. */
export function haltFault(reason: StopReason): RunFault {
  if (reason === 'user_requested') return new RunFault('verification_unavailable', 'the run was given up');
  return new RunFault('verification_deadline');
}

/** What a thrown error is to the client: nothing of its text unless it is a fault or an ApiError of a code told here. */
export function asFault(error: unknown): RunFault {
  if (error instanceof RunFault) return error;
  if (error instanceof Stopped) return haltFault(error.reason);
  const codes: readonly ErrorCode[] = ['arena_busy', 'budget_exceeded'];
  if (error instanceof ApiError && codes.includes(error.code)) {
    return new RunFault(error.code as FaultCode, error.message);
  }
  return new RunFault('internal_error', undefined, { cause: error });
}

export const errorEvent = (fault: RunFault, runId: string | null): ArenaEvent => ({
  event: 'error',
  code: fault.code,
  message: fault.message,
  field: fault.field,
  retryAfterS: fault.retryAfterS,
  runId,
});

export const storedFault = ({ code, message, retryAfterS }: RunFault): StoredFault => ({ code, message, retryAfterS });
