/** From the words of `labctl exec` to what is asked of labd (EX-1, EX-3). */
import { openExecSchema, type OpenOf } from '@labmesh/wire/frame/open';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { TerminalSize } from './session-io.ts';

export type OpenExec = OpenOf<'exec'>;

export type ExecWish = {
  /** The words behind `--`. */
  argv: readonly string[] | undefined;
  shell: string | undefined;
  login: string | undefined;
  cwd: string | undefined;
  /** `K=V`, or `K` for the value it has here. */
  env: readonly string[];
  timeoutMs: number | undefined;
  tty: boolean;
  /** Undefined: as the terminal and the command say. */
  stdin: boolean | undefined;
  detach: boolean;
  keepChildren: boolean;
  noRecord: boolean;
};

export type OwnTerminal = {
  stdinIsTerminal: boolean;
  stdoutIsTerminal: boolean;
  stdinIsGiven: boolean;
  size: TerminalSize | undefined;
  env: Environment;
};

export const defaultSize: TerminalSize = { cols: 80, rows: 24 };
const defaultTerm = 'xterm-256color';
const termPattern = /^[A-Za-z0-9.+_-]{1,64}$/;

/** What kind of terminal ours is, as the command will be told. */
export function termOf(env: Environment): string {
  const term = env['TERM'];
  return term !== undefined && termPattern.test(term) ? term : defaultTerm;
}

const usage = (message: string, hint?: string) => new CommandError(message, { hint, exitCode: exitCodes.usage });

/** @throws CommandError (exit 2) */
function environment(given: readonly string[], own: Environment): Record<string, string> {
  const pairs = given.map((text): [string, string] => {
    const equals = text.indexOf('=');
    if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
    const value = equals < 0 ? own[text] : undefined;
    if (value !== undefined) return [text, value];
    throw usage(`--env ${JSON.stringify(text)} gives no value`, 'write --env NAME=VALUE, or a NAME that is set here');
  });
  return Object.fromEntries(pairs);
}

const paths: Readonly<Record<string, string>> = {
  argv: 'the command',
  shell: '--shell',
  login: '--login',
  cwd: '--cwd',
  env: '--env',
  timeoutMs: '--timeout',
  server: 'the server',
};

/** What was wrong with the OPEN, by the name of the flag. @throws CommandError (exit 2) */
function checked(open: OpenExec): OpenExec {
  const { success, data, error } = openExecSchema.safeParse(open);
  if (success) return data;
  const issue = error.issues[0];
  const where = paths[String(issue?.path[0])] ?? 'the command';
  throw usage(`${where}: ${issue?.message ?? 'not valid'}`);
}

/** For one server: with a terminal where one makes sense. @throws CommandError (exit 2) */
export function planExec(server: string, wish: ExecWish, own: OwnTerminal): { open: OpenExec; sendsInput: boolean } {
  const hasCommand = wish.argv !== undefined || wish.shell !== undefined;
  const bothTerminals = own.stdinIsTerminal && own.stdoutIsTerminal;
  const tty = wish.tty || (bothTerminals && !hasCommand && !wish.detach);
  // Keys that are typed while a command runs belong to the shell it was started from, unless they were asked for.
  const sendsInput =
    !wish.detach && (wish.stdin ?? (own.stdinIsGiven || (own.stdinIsTerminal && (tty || !hasCommand))));
  const { cols, rows } = own.size ?? defaultSize;
  const open = openOf(server, wish, own.env, {
    tty: tty ? { term: termOf(own.env), cols, rows } : null,
    stdin: sendsInput,
  });
  return { open, sendsInput };
}

/** For many servers: pipes, and no input, because there is only one of it (FO-1). @throws CommandError (exit 2) */
export function planMany(wish: ExecWish, env: Environment, job: string): OpenExec {
  if (wish.argv === undefined && wish.shell === undefined) {
    throw usage('a login shell is for one server', 'write the command behind --: labctl exec -l role=web -- uptime');
  }
  if (wish.tty || wish.stdin === true) throw usage('a terminal and stdin are for one server', 'leave out -i and -t');
  if (wish.detach) throw usage('--detach is for one server');
  return { ...openOf('each', wish, env, { tty: null, stdin: false }), job };
}

function openOf(server: string, wish: ExecWish, env: Environment, io: Pick<OpenExec, 'tty' | 'stdin'>): OpenExec {
  const { argv, shell, login, cwd, timeoutMs, detach, keepChildren, noRecord } = wish;
  if (argv?.length === 0) throw usage('the command behind -- is missing');
  return checked({
    kind: 'exec',
    server,
    ...(argv !== undefined && { argv: [...argv] }),
    ...(shell !== undefined && { shell }),
    ...(login !== undefined && { login }),
    ...(cwd !== undefined && { cwd }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    env: environment(wish.env, env),
    detach,
    keepChildren,
    noRecord,
    ...io,
  });
}
