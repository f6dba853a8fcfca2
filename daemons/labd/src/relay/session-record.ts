/** What audit and store keep of a session: how it began, and how it ended (EX-11, P1). */
import type { RelayReport } from '@labmesh/link/channel-relay';
import type { Store } from '@labmesh/store/store';
import type { Open } from '@labmesh/wire/frame/open';
import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import type { FleetServer } from '../hub/fleet-view.ts';
import type { Caller } from '../login/caller.ts';
import type { SessionRecording } from '../recordings/session-recording.ts';
import { endSession, insertSession, type NewSession } from './session-rows.ts';

/** What the audit rows say of an OPEN. Neither values of the environment nor contents of files. */
function detailsOf(open: Open): Record<string, unknown> {
  const { kind } = open;
  if (kind === 'exec') {
    const { argv, shell, login, tty, detach, job, env } = open;
    return { argv, shell, login: login ?? 'root', tty: tty !== null, detach, job, env: Object.keys(env) };
  }
  if (kind === 'copy-in' || kind === 'copy-out')
    return { path: open.path, recursive: open.recursive, login: open.login ?? 'root' };
  if (kind === 'forward') return { host: open.host, port: open.port };
  if (kind === 'logs') return { unit: open.unit, file: open.file, follow: open.follow };
  return kind === 'attach' ? { target: open.target } : {};
}

export type Subject = { caller: Caller; open: Open; server: FleetServer | undefined };

/** The part of the audit rows that is the same at both ends. */
export function sessionEntry({ caller, open, server }: Subject): Omit<AuditEntry, 'phase' | 'result'> {
  const { principal, sourceIp, requestId } = caller;
  const name = server?.row.hostname ?? ('server' in open ? (open.server ?? '') : '');
  return {
    principal,
    sourceIp,
    requestId,
    action: `${open.kind}.open`,
    resource: `server/${name.slice(0, 253)}`,
    ...(server !== undefined && { resourceId: server.row.id }),
    details: detailsOf(open),
  };
}

export type BeginParts = { store: Store; audit: AuditLog };

/**
 * Writes the start row and the session, side by side with the start of the recording. All or nothing: when one fails,
 * the recording is ended and the first reason thrown.
 */
export async function recordBegin(
  { store, audit }: BeginParts,
  subject: Subject,
  session: NewSession,
  recording: Promise<SessionRecording> | undefined,
): Promise<SessionRecording | undefined> {
  const entry = { ...sessionEntry(subject), session: session.id, phase: 'start', result: 'ok' } as const;
  const work = [
    recording,
    audit.append(entry),
    store.write(session.principal, (tx) => insertSession(tx, session)),
  ] as const;
  const [started, ...others] = await Promise.allSettled(work);
  const failed = [started, ...others].find((one) => one.status === 'rejected');
  const made = started.status === 'fulfilled' ? started.value : undefined;
  if (failed === undefined) return made;
  await made?.end();
  throw failed.reason;
}

export type Ended = Subject & { startedAt: number; recordingId: string | undefined };

/** Writes the end row and the end of the session. */
export async function recordEnd(
  { store, audit }: BeginParts,
  ended: Ended,
  report: RelayReport,
  now: number,
): Promise<void> {
  const { caller, startedAt, recordingId } = ended;
  const { exit, close, bytes, session } = report;
  const isGood = close.reason === 'ok' || exit !== undefined;
  const base = sessionEntry(ended);
  const details = {
    ...base.details,
    bytes,
    close: close.reason,
    ...(exit !== undefined && { exit }),
    ...(recordingId !== undefined && { recording: recordingId }),
  };
  const entry = {
    ...base,
    session,
    phase: 'end',
    result: isGood ? 'ok' : 'error',
    durationMs: now - startedAt,
    details,
  } as const;
  await Promise.all([
    audit.append(isGood ? entry : { ...entry, code: close.reason }),
    store.write(caller.principal, (tx) => endSession(tx, report, now, recordingId ?? null)),
  ]);
}
