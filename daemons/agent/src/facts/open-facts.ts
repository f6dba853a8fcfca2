import { Refused, type SessionRun } from '../session-run.ts';
export async function openFacts(): Promise<SessionRun> {
  throw new Refused('internal', 'soon');
}
