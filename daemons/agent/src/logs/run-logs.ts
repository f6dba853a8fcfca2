import { Refused, type SessionRun } from '../session-run.ts';
export async function openLogs(..._: unknown[]): Promise<SessionRun> {
  throw new Refused('internal', 'soon');
}
