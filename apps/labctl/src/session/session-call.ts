/** What a command of a session is made of: its call, the process's streams, and the link to labd. */
import type { OpenOk } from '@labmesh/wire/frame/messages';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { World } from '../command.ts';
import type { Settings } from '../config/settings.ts';
import { safeText } from '../terminal/safe-text.ts';
import { channelProblem, endingOf } from './channel-problem.ts';
import { ClientLink, type ClientLinkParts } from './client-link.ts';
import { dialProblem } from './dial-problem.ts';
import { labdDial } from './labd-dial.ts';
import { processIo } from './process-io.ts';
import { runSession, type SessionPlan } from './run-session.ts';
import type { SessionIo } from './session-io.ts';

/** The part of a FleetCall that is used; the options of the command do not matter. */
export type AnySessionCall = {
  world: World;
  settings: Settings;
  values: { local: boolean; quiet: boolean };
  detail: (text: string) => void;
};

export type SessionCall = {
  world: World;
  io: SessionIo;
  /** For messages: `labd at https://…`. */
  where: string;
  link: ClientLinkParts;
  note: (text: string) => void;
};

/** @throws CommandError (exit 3) without labd.url */
export function sessionParts(call: AnySessionCall, io: SessionIo = processIo()): SessionCall {
  const { world, settings, values, detail } = call;
  const note = (text: string) => {
    if (!values.quiet) world.stderr(io.isRaw ? `\r\n${safeText(text)}\r\n` : `${safeText(text)}\n`);
  };
  const { where, connect } = labdDial({ world, settings, local: values.local, note: detail });
  return { world, io, where, note, link: { connect, clock: world.clock, timeoutMs: settings.timeoutMs, note } };
}

/** Runs a session to its end. @throws CommandError (255) */
export async function beginSession(session: SessionCall, plan: SessionPlan): Promise<number> {
  const { world, io, where, note } = session;
  await using link = new ClientLink(session.link);
  const now = () => world.clock.wall();
  try {
    return await runSession(plan, { link, io, note, now, began: (ok) => tellBegan(plan, ok, session) });
  } catch (error) {
    const ending = endingOf(error);
    if (ending === undefined) throw error instanceof CommandError ? error : dialProblem(where, error);
    throw channelProblem(ending, { verb: plan.open.kind, target: plan.target, now: now() });
  }
}

/**
 * `--detach` prints the session, alone on stdout; an attach tells what the ring no longer has (EX-8). A command that labd
 * let in although it cannot record is one (EX-10): who works on the machine of labd should know.
 */
function tellBegan({ open }: SessionPlan, ok: OpenOk, { world, note }: SessionCall): void {
  const { session, recorded, dropped = 0 } = ok;
  const isMissed = open.kind === 'exec' && !open.noRecord && recorded === false;
  if (isMissed) note('this session is not recorded: labd cannot write recordings');
  if (open.kind === 'attach' && dropped > 0) note(`[labmesh: ${dropped} bytes of output before this are gone]`);
  if (open.kind !== 'exec' || !open.detach) return;
  world.stdout(`${session}\n`);
  note(`it goes on without this terminal: labctl attach session/${session}`);
}

/** EX-6: whatever fails on our side is 255, so that no code of the command can be taken for it. Words stay 2. */
export async function inSession(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === exitCodes.usage) throw error;
    const { message, hint, code, requestId, cause } = error;
    throw new CommandError(message, { hint, code, requestId, cause, exitCode: exitCodes.execFailed });
  }
}
