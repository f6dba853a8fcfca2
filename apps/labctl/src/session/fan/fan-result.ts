/** What becomes of a command on many servers, server by server, and of the whole (FO-4). */
import type { ChannelEnding } from '@labmesh/link/channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { exitCodes } from '../../exit-codes.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { endingText, problemCode } from '../channel-problem.ts';
import { exitStatus, exitWord } from '../exit-status.ts';

export const targetStates = ['ok', 'failed', 'unreachable', 'timed-out', 'denied', 'error', 'not-started'] as const;
/** `error`: a failure between us and the command, such as a recording that cannot be made. */
export type TargetState = (typeof targetStates)[number];

export type TargetResult = {
  /** Host name. */
  server: string;
  state: TargetState;
  session?: string;
  exit?: Exit;
  /** Why there is no exit, for people. */
  why?: string;
  /** The stable code of it. */
  code?: string;
};

const unreachable: ReadonlySet<CloseReason> = new Set(['agent-offline', 'link-lost', 'peer-lost', 'agent-restarted']);

function stateOfExit(exit: Exit): TargetState {
  if (exit.timedOut) return 'timed-out';
  return exitStatus(exit) === 0 ? 'ok' : 'failed';
}

export const resultOfExit = (server: string, session: string, exit: Exit): TargetResult => ({
  server,
  state: stateOfExit(exit),
  session,
  exit,
});

/** A session that ended without EXIT. `now`: Unix ms. */
export function resultOfEnding(
  server: string,
  session: string | undefined,
  ending: ChannelEnding,
  now: number,
): TargetResult {
  const { reason } = ending;
  const state =
    reason === 'denied' || reason === 'not-found' ? 'denied' : unreachable.has(reason) ? 'unreachable' : 'error';
  const why = endingText(ending, now).replace(`server/${server} `, '');
  return { server, state, ...(session !== undefined && { session }), why, code: problemCode(reason) };
}

/** `exit 2`, `last seen 3m ago`: what is said behind the name. */
function wordsOf({ state, exit, why }: TargetResult): string {
  if (exit !== undefined) return state === 'timed-out' ? '' : exitWord(exit);
  return why ?? '';
}

/** Names of servers that need no look are not all told. */
const okNamesMax = 20;

/** A line for each state that came about: `failed 2: web-1 (exit 2), web-7 (KILL)`. */
export function summaryLines(results: readonly TargetResult[]): string[] {
  return targetStates.flatMap((state) => {
    const found = results.filter((one) => one.state === state).toSorted((a, b) => (a.server < b.server ? -1 : 1));
    if (found.length === 0) return [];
    const isDull = state === 'ok' || state === 'not-started';
    const shown = isDull ? found.slice(0, okNamesMax) : found;
    const names = shown.map((one) => {
      const words = state === 'ok' ? '' : wordsOf(one);
      return safeText(words === '' ? one.server : `${one.server} (${words})`);
    });
    const more = found.length - shown.length;
    const label = state.replace('-', ' ');
    return [`${label} ${found.length}: ${names.join(', ')}${more === 0 ? '' : ` and ${more} more`}`];
  });
}

/** 0 all zero, 1 some failed, 255 some unreachable or a failure of ours (FO-4). */
export function exitCodeOfAll(results: readonly TargetResult[]): number {
  const has = (...states: TargetState[]) => results.some(({ state }) => states.includes(state));
  if (has('unreachable', 'error', 'denied')) return exitCodes.execFailed;
  return has('failed', 'timed-out', 'not-started') ? exitCodes.failed : exitCodes.ok;
}
