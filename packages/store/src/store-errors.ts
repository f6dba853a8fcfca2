/**
 * What a database's error means to a caller: `conflict` (repeat the transaction, ST-3), `away` (nothing to do but come
 * back later, LD-7) or `other` (the statement's own fault, passed through as it is).
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

export type FaultKind = 'conflict' | 'away' | 'other';

/** serialization_failure, deadlock_detected, lock_not_available; SQLite's BUSY family is matched by its prefix. */
const conflictCodes = new Set(['40001', '40P01', '55P03']);

/** Besides SQLSTATE class 08. */
const awayStates = [
  // A statement or an idle transaction took too long.
  '57014',
  '25P03',
  // Shut down, crashed, starting, database dropped; outcome unknown (CockroachDB); a standby, which only reads.
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
  '40003',
  '25006',
  // Out of resources, too many connections, disk full, an I/O error.
  '53000',
  '53100',
  '53200',
  '53300',
  '53400',
  '58030',
  // A wrong name or password, no such database: the operator may mend it while labd waits.
  '28000',
  '28P01',
  '3D000',
];
const awayCalls = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EACCES',
  'ERR_SOCKET_CLOSED',
  'ERR_STREAM_DESTROYED',
];
const awayCodes = new Set([...awayStates, ...awayCalls]);
const awaySqlite = /^SQLITE_(FULL|IOERR|CANTOPEN|CORRUPT|NOTADB|READONLY|NOMEM|PROTOCOL|AUTH|PERM)/;
/** pg gives these no code. */
const awayText =
  /Connection terminated|connection error and is not queryable|Client was closed|Query read timeout|timeout exceeded when trying to connect|timeout expired|server does not support SSL|Cannot use a pool after calling end/i;

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
};

/** Sorts an error that a driver threw. */
export function faultKind(error: unknown): FaultKind {
  const code = codeOf(error);
  if (conflictCodes.has(code) || code.startsWith('SQLITE_BUSY')) return 'conflict';
  if (awayCodes.has(code) || awaySqlite.test(code) || /^08\w{3}$/.test(code)) return 'away';
  // An attempt on several addresses (localhost is two) fails as a whole.
  if (error instanceof AggregateError && error.errors.length > 0) return faultKind(error.errors[0]);
  return error instanceof Error && awayText.test(error.message) ? 'away' : 'other';
}

/** A unique or primary key stood in the way, on either engine: what a create turns into its own 409. */
export function isUniqueViolation(error: unknown): boolean {
  return ['23505', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY'].includes(codeOf(error));
}

/** Another transaction got there first: its row stood in the way, or ours gave up after its tries. */
export function isLostRace(error: unknown): boolean {
  return isUniqueViolation(error) || (error instanceof FleetError && error.code === 'STORE_CONFLICT');
}

const logText = (cause: unknown) =>
  cause instanceof Error ? cause.message || codeOf(cause) || cause.name : String(cause);

/** @returns FleetError STORE_UNAVAILABLE; the driver's text, which may hold an address, is for the log alone. */
export const storeUnavailable = (cause: unknown): FleetError =>
  new FleetError('STORE_UNAVAILABLE', { log: logText(cause), cause });

/** @returns FleetError STORE_CONFLICT after so many tries. */
export const storeConflict = (cause: unknown, tries: number): FleetError =>
  new FleetError('STORE_CONFLICT', { log: `${tries} tries: ${logText(cause)}`, cause });

/** A driver's error as callers of the store get it where nothing is repeated: others than ours as they are. */
export function asStoreError(error: unknown): unknown {
  const kind = faultKind(error);
  if (kind === 'other') return error;
  return kind === 'away' ? storeUnavailable(error) : storeConflict(error, 1);
}

const exitCodes = { STORE_URL_INVALID: 3, STORE_IN_USE: 75, SCHEMA_NEWER: 78 } as const;

/** A store that this process may not open; the operator has to act. `message` is the one line to show. */
export class StoreStartError extends Error {
  readonly code: keyof typeof exitCodes;
  /** 3 = settings, 75 = in use by another process (ST-5), 78 = written by a newer release (ST-4). */
  readonly exitCode: 3 | 75 | 78;

  constructor(code: keyof typeof exitCodes, message: string) {
    super(message);
    this.name = 'StoreStartError';
    this.code = code;
    this.exitCode = exitCodes[code];
  }
}
