/**
 * What each exit code of labctl means (CT-8), and which one a failure gets. One table for every command; `exec` gives
 * the remote code, and its own failures as EX-6 says.
 */
import { fleetErrors, type FleetErrorCode } from '@labmesh/wire/fleet/fleet-errors';
import type { Outcome } from '@labmesh/wire/verification/verdict';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** A setting is missing or wrong, or nobody is logged in. */
  notConfigured: 3,
  denied: 4,
  notFound: 5,
  unreachable: 6,
  timeout: 7,
  /** Taken, changed meanwhile, or in the wrong state. */
  conflict: 8,
  /** `exec --timeout` passed (EX-6). */
  execTimeout: 124,
  /** `sandbox run` ran nothing, or learned nothing of it. */
  sandboxFailed: 125,
  interrupted: 130,
  /** A failure of ours during `exec` (EX-6). */
  execFailed: 255,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/**
 * What a script learns of an answer that was checked (verification V23): the outcome, as `cert verify` tells a verdict. 2
 * stays free for a command that was typed wrong.
 */
export const outcomeExits: Readonly<Record<Outcome, number>> = { valid: 0, invalid: 1, inconclusive: 3, unchecked: 4 };

/** For `labctl --help`. */
export const exitCodesHelp =
  'Exit codes: 0 ok, 1 failed, 2 usage, 3 not configured or logged in, 4 denied, 5 not found, 6 unreachable, ' +
  '7 timeout, 8 conflict, 130 interrupted.';

/** Codes of labd whose status alone would tell a script the wrong thing. */
const byCode: Partial<Record<FleetErrorCode, ExitCode>> = {
  KEY_TYPE_REFUSED: exitCodes.failed,
  // The secret was read and refused: logging in again with it does not help.
  TOKEN_INVALID: exitCodes.denied,
  ESCALATION: exitCodes.denied,
  AGENT_NOT_CONNECTED: exitCodes.unreachable,
  // It is labd.url that points at the wrong listener.
  WRONG_LISTENER: exitCodes.notConfigured,
  AUDIT_UNAVAILABLE: exitCodes.failed,
  RECORDING_UNAVAILABLE: exitCodes.failed,
};

const byStatus: Readonly<Record<number, ExitCode>> = {
  400: exitCodes.usage,
  401: exitCodes.notConfigured,
  403: exitCodes.denied,
  404: exitCodes.notFound,
  409: exitCodes.conflict,
  // labd or its database is away for now: a script may try again, as when nobody answers.
  502: exitCodes.unreachable,
  503: exitCodes.unreachable,
  504: exitCodes.timeout,
};

const isFleetCode = (code: string): code is FleetErrorCode => Object.hasOwn(fleetErrors, code);

/** The exit code of an answer of labd: by its code where the table has one, else by the HTTP status. */
export function exitCodeOf(code: string | undefined, status: number): ExitCode {
  if (code !== undefined && isFleetCode(code)) {
    return byCode[code] ?? byStatus[fleetErrors[code].status] ?? exitCodes.failed;
  }
  return byStatus[status] ?? exitCodes.failed;
}

/** Exit code 4 of older commands meant "no settings file", which is "not configured" now. */
export const settingsExitCode = (code: number): number => (code === 4 ? exitCodes.notConfigured : code);
