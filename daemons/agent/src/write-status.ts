import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentParts, AgentState } from './agent-parts.ts';

export type AgentStatus = { state: AgentState; sessions: number } & Record<string, unknown>;

/**
 * `status.json` in the state folder, for `lab-agent status`; nothing else reads it, so a failure stops nothing. Whoever
 * reads it meets a whole one.
 */
export function writeStatus(
  { identity, options }: Pick<AgentParts, 'identity' | 'options'>,
  status: AgentStatus,
): void {
  const { serverId, agentId } = identity;
  const whole = { ...status, at: new Date().toISOString(), serverId, agentId, pid: process.pid };
  const path = join(options.stateDir, 'status.json');
  const next = `${path}.new`;
  try {
    writeFileSync(next, `${JSON.stringify(whole)}\n`, { mode: 0o600 });
    renameSync(next, path);
  } catch {
    // A full disk must not stop the agent; half a file is written over next time.
  }
}
