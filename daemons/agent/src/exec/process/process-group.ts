/** Signals to a command's processes: its group, the terminal's foreground group, its whole session. */
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import type { SignalName } from '@labmesh/wire/frame/frame-types';

/** Fields of /proc/PID/stat after the name, which may hold spaces and parentheses itself. */
function statFields(text: string): { group: number; session: number; foreground: number } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { group: Number(fields[2]), session: Number(fields[3]), foreground: Number(fields[5]) };
}

/** Sends to the group `group`; false when nobody is in it. */
export function signalGroup(group: number, name: SignalName): boolean {
  // 0 and 1 would mean our own group and everyone.
  if (!Number.isInteger(group) || group <= 1) return false;
  try {
    process.kill(-group, `SIG${name}`);
    return true;
  } catch {
    return false;
  }
}

/** The group in the foreground of the terminal that session `leader` has; its own when it is over or has none. */
export function foregroundGroup(leader: number): number {
  try {
    const { foreground } = statFields(readFileSync(`/proc/${leader}/stat`, 'utf8'));
    return foreground > 1 ? foreground : leader;
  } catch {
    return leader;
  }
}

/**
 * Groups that live in the session of `leader`: an interactive shell makes one a job. Reads all of /proc, so it is for
 * the end of a session, not for each signal.
 */
export async function groupsOfSession(leader: number): Promise<number[]> {
  const groups = new Set<number>();
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue;
    const text = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const { group, session } = statFields(text);
    if (session === leader) groups.add(group);
  }
  return [...groups];
}
