import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import type { AgentOptions } from './agent-options.ts';
import type { AgentState } from './agent-parts.ts';
import type { AgentIdentity } from './identity/agent-identity.ts';

export type AgentStatus = { state: AgentState; sessions: number } & Record<string, unknown>;

type StateDir = Pick<AgentOptions, 'stateDir'>;

const statusFile = ({ stateDir }: StateDir) => join(stateDir, 'status.json');

/** Whether a process of that id is there; one of another account is, too. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * What `lab-agent status` prints, and its exit code: 1 when no agent runs. What one wrote that was killed is not what
 * is: it shows as stopped, with the state that it had.
 */
export function readStatus(options: StateDir): { text: string; exitCode: 0 | 1 } {
  let text: string;
  try {
    text = readFileSync(statusFile(options), 'utf8');
  } catch {
    return { text: 'not running, or never started\n', exitCode: 1 };
  }
  const status = parseJson(text) as { state?: unknown; pid?: unknown } | undefined;
  if (typeof status?.pid !== 'number') return { text: 'not running, or never started\n', exitCode: 1 };
  if (status.state === 'stopped') return { text, exitCode: 1 };
  if (isThere(status.pid)) return { text, exitCode: 0 };
  return { text: `${JSON.stringify({ ...status, state: 'stopped', was: status.state })}\n`, exitCode: 1 };
}

/**
 * `status.json` in the state folder, for `lab-agent status`; nothing else reads it, so a failure stops nothing. Whoever
 * reads it meets a whole one.
 */
export function writeStatus(
  { identity, options }: { identity?: Pick<AgentIdentity, 'serverId' | 'agentId'>; options: StateDir },
  status: AgentStatus,
): void {
  const { serverId = null, agentId = null } = identity ?? {};
  const whole = { ...status, at: new Date().toISOString(), serverId, agentId, pid: process.pid };
  const path = statusFile(options);
  const next = `${path}.new`;
  try {
    writeFileSync(next, `${JSON.stringify(whole)}\n`, { mode: 0o600 });
    renameSync(next, path);
  } catch {
    // A full disk must not stop the agent; half a file is written over next time.
  }
}
