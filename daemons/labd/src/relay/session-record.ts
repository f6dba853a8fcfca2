/** What audit and store keep of a session: how it began, and how it ended (EX-11, P1). */
import type { RelayReport } from '@labmesh/link/channel-relay';
import type { First } from '@labmesh/link/first-frame';
import type { Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import type { FleetServer } from '../hub/fleet-view.ts';
import { FirstRefusals } from '../limits/first-refusals.ts';
import type { Caller } from '../login/caller.ts';
import { type BegunRecording, endRecordingRow, insertRecordingRow } from '../recordings/recorder.ts';
import type { RecordingEnd, SessionRecording } from '../recordings/session-recording.ts';
import { endSession, insertSession, type NewSession } from './session-rows.ts';
import type { World } from '../settings/world.ts';

type Open = NewSession['open'];

/** What the audit rows say of an OPEN. Neither values of the environment nor contents of files. */
function detailsOf(open: Open): Record<string, unknown> {
  const { kind } = open;
  if (kind === 'exec') {
    const { argv, shell, login, cwd, timeoutMs, tty, detach, keepChildren, job, noRecord, env } = open;
    const how = { cwd, timeoutMs, tty: tty !== null, detach, keepChildren, job, noRecord };
    return { argv, shell, login: login ?? 'root', ...how, env: Object.keys(env) };
  }
  if (kind === 'copy-in' || kind === 'copy-out')
    return { path: open.path, recursive: open.recursive, login: open.login ?? 'root' };
  if (kind === 'forward') return { host: open.host, port: open.port };
  if (kind === 'logs') return { unit: open.unit, file: open.file, follow: open.follow };
  return kind === 'attach' ? { target: open.target } : {};
}

export type Subject = {
  caller: Caller;
  open: Open;
  server: FleetServer | undefined;
  /** It is not recorded because that failed, and passed all the same (EX-10). */
  isMissed?: boolean;
};

/** The part of the audit rows that is the same at both ends. */
export function sessionEntry({ caller, open, server, isMissed }: Subject): Omit<AuditEntry, 'phase' | 'result'> {
  const { principal, sourceIp, requestId } = caller;
  const name = server?.row.hostname ?? ('server' in open ? (open.server ?? '') : '');
  return {
    principal,
    sourceIp,
    requestId,
    action: `${open.kind}.open`,
    resource: `server/${name.slice(0, 253)}`,
    ...(server !== undefined && { resourceId: server.row.id }),
    details: { ...detailsOf(open), ...(isMissed === true && { recording: 'unavailable' }) },
  };
}

/** Refusals that come before an OPEN is judged, and so before any other row of it. */
const unjudged = new Set<FleetError['code']>(['RATE_LIMITED', 'REVOCATION_STALE']);

/** Rows of OPENs that were turned away before they were judged; one a minute, so that a flood does not fill the log (AU-4). */
export class RefusedOpens {
  readonly #audit: AuditLog;
  readonly #refusals: FirstRefusals;
  constructor({ audit, clock }: Pick<BeginParts, 'audit' | 'clock'>) {
    this.#audit = audit;
    this.#refusals = new FirstRefusals(clock);
  }

  note(caller: Caller, first: First, error: unknown): void {
    if (first.type !== 'open' || !(error instanceof FleetError) || !unjudged.has(error.code)) return;
    const { kind, id } = caller.principal;
    const { code } = error;
    if (!this.#refusals.isFirst(`${kind}:${id}:${caller.sourceIp} ${code}`)) return;
    const entry = sessionEntry({ caller, open: first.open, server: undefined });
    this.#audit.note({ ...entry, phase: 'single', result: 'error', code });
  }
}

export type BeginParts = { store: Store; audit: AuditLog; clock: World['clock']; log: World['log'] };

const worker = system('sessions');
/** The end row waits this long for a recording that is hard to end. */
const recordingEndMs = 1_000;

/**
 * EX-10: whoever is at labd's own machine must get in while recordings cannot be written, to mend that. What was begun
 * for the admin socket is waited for; when it failed, the session goes on as one that nobody records.
 * @throws what is no failure of the recorder.
 */
export async function unlessMissed(
  open: Open,
  { kind }: Caller['principal'],
  begun: BegunRecording | undefined,
): Promise<{ open: Open; begun: BegunRecording | undefined; isMissed: boolean }> {
  if (kind !== 'local' || open.kind !== 'exec' || begun === undefined) return { open, begun, isMissed: false };
  try {
    await begun.started;
    return { open, begun, isMissed: false };
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'RECORDING_UNAVAILABLE') throw error;
    return { open: { ...open, noRecord: true }, begun: undefined, isMissed: true };
  }
}

/**
 * Writes the start row, the session and the recording's row in one transaction, side by side with the making of the
 * recording's file. All or nothing: when one fails, what stands is ended and the first reason thrown.
 */
export async function recordBegin(
  parts: BeginParts,
  subject: Subject,
  session: NewSession,
  recording: BegunRecording | undefined,
): Promise<SessionRecording | undefined> {
  const entry = { ...sessionEntry(subject), session: session.id, phase: 'start', result: 'ok' } as const;
  const also = async (tx: Writer) => {
    await insertSession(tx, session);
    if (recording !== undefined) await insertRecordingRow(tx, recording.row);
  };
  const [written, started] = await Promise.allSettled([parts.audit.append(entry, { also }), recording?.started]);
  const failed = [written, started].find((one) => one.status === 'rejected');
  const made = started.status === 'fulfilled' ? started.value : undefined;
  if (failed === undefined) return made;
  void undo(parts, entry, recording?.row.id, made).catch((error: unknown) => {
    parts.log.warn('a session that did not begin is not ended in the store', { session: session.id, error });
  });
  throw failed.reason;
}

/** It did not begin, whatever part of it was written. */
async function undo(
  { audit, clock }: BeginParts,
  entry: Omit<AuditEntry, 'phase' | 'result'> & { session: string },
  recordingId: string | undefined,
  made: SessionRecording | undefined,
): Promise<void> {
  const end = await made?.end();
  const reason = made === undefined && recordingId !== undefined ? 'recording-unavailable' : 'audit-unavailable';
  const also = async (tx: Writer) => {
    const report = { session: entry.session, exit: undefined, close: { reason, text: '' } } as const;
    await endSession(tx, report, clock.wall(), made?.id ?? null);
    if (made !== undefined && end !== undefined) await endRecordingRow(tx, made.id, end, clock.wall());
    else if (recordingId !== undefined) await tx.deleteFrom('recordings').where('id', '=', recordingId).execute();
  };
  await audit.append({ ...entry, phase: 'end', result: 'error', code: reason }, { also, patient: true });
}

type Copied = NonNullable<RelayReport['exit']>['copied'];

export type Ended = Subject & { startedAt: number; recording: SessionRecording | undefined };

/**
 * What an EXIT says, by the kind that was opened and not by what the agent put into it. A copy tells its sum by EXIT,
 * with a code of 0 that holds only when it closed with `ok`; a command copies nothing.
 */
function toldBy({ kind }: Open, { exit, close }: RelayReport): { exit: RelayReport['exit']; copied?: Copied } {
  if (exit === undefined) return { exit };
  const { copied, ...rest } = exit;
  if (kind !== 'copy-in' && kind !== 'copy-out') return { exit: rest };
  return { exit: close.reason === 'ok' ? exit : undefined, copied };
}

/** What the end row says of the recording: its id, and that it does not hold all when writing it failed (EX-10, EX-11). */
function recordingDetails(id: string, end: RecordingEnd | undefined, reason: RelayReport['close']['reason']) {
  const isWhole = end?.sha256 !== null && reason !== 'recording-unavailable';
  return isWhole ? { recording: id } : { recording: 'unavailable', recordingId: id };
}

/** Writes the end row, and with it the ends of the session and its recording. Nobody waits for it. */
export async function recordEnd(parts: BeginParts, ended: Ended, report: RelayReport, now: number): Promise<void> {
  const { audit } = parts;
  const { startedAt, recording } = ended;
  const { close, bytes, session } = report;
  const { exit, copied } = toldBy(ended.open, report);
  // A command has ended, whatever became of its channel; of a copy only the close tells.
  const isGood = close.reason === 'ok' || (exit !== undefined && copied === undefined);
  const base = sessionEntry(ended);
  const end = recording === undefined ? undefined : await endOfRecording(parts, recording);
  const details = {
    ...base.details,
    bytes,
    close: close.reason,
    ...(copied === undefined ? exit !== undefined && { exit } : { copied }),
    ...(recording !== undefined && recordingDetails(recording.id, end, close.reason)),
  };
  const entry = {
    ...base,
    session,
    phase: 'end',
    result: isGood ? 'ok' : 'error',
    durationMs: now - startedAt,
    details,
  } as const;
  const also = async (tx: Writer) => {
    await endSession(tx, { ...report, exit }, now, recording?.id ?? null);
    if (recording !== undefined && end !== undefined) await endRecordingRow(tx, recording.id, end, now);
  };
  await audit.append(isGood ? entry : { ...entry, code: close.reason }, { also, patient: true });
}

/** Undefined when it takes too long; its row is then written when it is through. */
async function endOfRecording(parts: BeginParts, recording: SessionRecording): Promise<RecordingEnd | undefined> {
  const ending = recording.end();
  const timer = new AbortController();
  const late = parts.clock.sleep(recordingEndMs, timer.signal).then(
    () => undefined,
    () => undefined,
  );
  const end = await Promise.race([ending, late]);
  timer.abort(new Error('done'));
  if (end === undefined) void ending.then((told) => writeRecordingEnd(parts, recording.id, told));
  return end;
}

/** The end of a recording that goes by itself: of one part of a session that another replica continues. */
export async function writeRecordingEnd(
  { store, clock, log }: BeginParts,
  id: string,
  end: RecordingEnd,
): Promise<void> {
  try {
    await store.write(worker, (tx) => endRecordingRow(tx, id, end, clock.wall()));
  } catch (error) {
    // The file is whole: the row is settled when the store is back.
    log.warn('the end of a recording is not in the store yet', { recording: id, error });
  }
}
