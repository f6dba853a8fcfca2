/** Why a session ended, in the words of CT-9, with the stable code that scripts read and an exit code of CT-8. */
import type { ChannelEnding } from '@labmesh/link/channel';
import { ChannelClosed } from '@labmesh/link/channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import { CommandError } from '../command-error.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { ago } from '../terminal/span.ts';

type Row = { code: string; text: string; exitCode?: ExitCode; hint?: string };

const { denied, notFound, unreachable, timeout, conflict, interrupted } = exitCodes;
const again = 'try again in a moment; labctl doctor looks for the cause';

/** What the closed list of reasons means; `ok` without an end of the command is one of the failures. */
const rows: Readonly<Record<CloseReason, Row>> = {
  ok: { code: 'NO_EXIT', text: 'it ended without telling how' },
  denied: { code: 'PERMISSION_DENIED', text: 'denied', exitCode: denied },
  'not-found': { code: 'NOT_FOUND', text: 'there is no such thing', exitCode: notFound },
  'agent-offline': { code: 'AGENT_NOT_CONNECTED', text: 'not connected', exitCode: unreachable },
  'no-session': { code: 'NO_SESSION', text: 'that session is over, or not there', exitCode: notFound },
  superseded: { code: 'SUPERSEDED', text: 'somebody else took the session over', exitCode: conflict },
  timeout: { code: 'TIMEOUT', text: 'it took too long', exitCode: timeout },
  cancelled: { code: 'CANCELLED', text: 'cancelled', exitCode: interrupted },
  killed: { code: 'KILLED', text: 'an operator ended the session' },
  revoked: { code: 'REVOKED', text: 'the right to do this was revoked', exitCode: denied },
  limit: { code: 'RATE_LIMITED', text: 'too many at once', hint: again },
  'flow-violation': { code: 'FLOW_VIOLATION', text: 'the other side sent more than it may' },
  protocol: { code: 'PROTOCOL', text: 'the other side broke the protocol' },
  'spawn-failed': { code: 'SPAWN_FAILED', text: 'the command could not be started' },
  'user-unknown': { code: 'USER_UNKNOWN', text: 'there is no such account', hint: 'give another with --login' },
  io: { code: 'IO', text: 'an input or output error' },
  'audit-unavailable': { code: 'AUDIT_UNAVAILABLE', text: 'the audit row cannot be written', hint: again },
  'recording-limit': { code: 'RECORDING_LIMIT', text: 'the recording is as large as it may become' },
  'recording-unavailable': { code: 'RECORDING_UNAVAILABLE', text: 'the session cannot be recorded', hint: again },
  'agent-restarted': { code: 'AGENT_RESTARTED', text: 'the agent was restarted', exitCode: unreachable },
  'peer-lost': { code: 'PEER_LOST', text: 'the link between replicas was lost', exitCode: unreachable },
  'link-lost': { code: 'LINK_LOST', text: 'the link to labd was lost', exitCode: unreachable },
  checksum: { code: 'CHECKSUM', text: 'the sums differ' },
  internal: { code: 'INTERNAL', text: 'an error on the other side; its log has the details' },
};

export type About = {
  /** `exec`, `copy-in`: the verb of the access rules. */
  verb: string;
  /** `server/web-1` */
  target: string;
  /** The command's session, once there is one. */
  session?: string | undefined;
  /** Unix ms. */
  now: number;
};

export const problemCode = (reason: CloseReason): string => rows[reason].code;

/** The reason's own words, or labd's where it says more. Times in it become spans: "last seen 3m ago". */
export function endingText({ reason, text }: ChannelEnding, now: number): string {
  if (text === '') return rows[reason].text;
  const told = text.replace(/^(server\/\S+) is not connected/, '$1 not connected');
  return told.replace(
    /\b(last seen) (\d{4}-\d\d-\d\dT[\d:.]+Z)/,
    (_, seen: string, at: string) => `${seen} ${ago(at, now)}`,
  );
}

function message(ending: ChannelEnding, { verb, target, now }: About): string {
  const { reason } = ending;
  const { code } = rows[reason];
  const text = endingText(ending, now);
  // labd's denial names verb, role and rule; a code behind its closing quote tells nothing more.
  if (reason === 'denied') return text.startsWith(`${verb} on `) ? text : `${verb} on ${target}: ${text} (${code})`;
  if (reason === 'agent-offline' && text.startsWith('server/')) return `${text} (${code})`;
  return reason === 'agent-offline' ? `${target} ${text} (${code})` : `${verb} on ${target}: ${text} (${code})`;
}

function hint(ending: ChannelEnding, { verb, target, session }: About): string | undefined {
  if (ending.reason === 'denied') {
    // An attach names a session, but it is its server that was asked for.
    const asked = /^\S+ on (server\/\S+) denied/.exec(ending.text)?.[1] ?? target;
    return `labctl auth can-i ${verb} ${asked} --explain`;
  }
  if (ending.reason === 'no-session' && verb === 'attach') return `labctl play ${target} shows what was recorded`;
  if (ending.reason === 'not-found' && ending.text.includes('server'))
    return 'labctl get servers lists those that you may see';
  if (ending.reason === 'agent-offline') return `labctl describe ${target} tells when it was last seen`;
  if ((verb === 'exec' || verb === 'attach') && (ending.reason === 'link-lost' || ending.reason === 'peer-lost')) {
    return session === undefined
      ? 'it may have been started: labctl get sessions'
      : `the command may still be running: labctl attach session/${session}`;
  }
  return rows[ending.reason].hint;
}

/** A session that ended as it should not. `exitCode` in place of the reason's: exec gives 255 (EX-6). */
export function channelProblem(ending: ChannelEnding, about: About, exitCode?: ExitCode): CommandError {
  const { code, exitCode: own = exitCodes.failed } = rows[ending.reason];
  return new CommandError(message(ending, about), { code, hint: hint(ending, about), exitCode: exitCode ?? own });
}

/** How a session that was refused ended; undefined for other errors. */
export const endingOf = (error: unknown): ChannelEnding | undefined =>
  error instanceof ChannelClosed ? error.ending : undefined;
