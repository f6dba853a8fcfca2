/** Starts a command, or tells how a shell would say that it cannot (EX-2: 127 not found, 126 not executable). */
import type { OpenOf } from '@labmesh/wire/frame/open';
import { errnoOf, errnoText, Refused } from '../../session-run.ts';
import { type Command, findProgram } from './command.ts';
import { spawnPiped } from './pipes.ts';
import type { Spawned } from './spawned.ts';
import { spawnOnTerminal } from './terminal.ts';

/** A command that did not start: its exit code, and what its stderr says. */
export type NotStarted = { code: 126 | 127; text: string };

const notExecutable = new Set(['EACCES', 'EPERM', 'ENOEXEC', 'ETXTBSY', 'ELIBBAD', 'EISDIR']);
const notFound = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

function spawn(open: OpenOf<'exec'>, file: string, command: Command, cgroup: string | undefined): Spawned {
  const inGroup = cgroup === undefined ? {} : { cgroup };
  if (open.tty !== null) return spawnOnTerminal(command, { tty: open.tty, owner: command.owner, ...inGroup });
  return spawnPiped(file, command, { stdin: open.stdin, ...inGroup });
}

/** @throws Refused spawn-failed when this machine has no room for another process. */
export function startCommand(open: OpenOf<'exec'>, command: Command, cgroup?: string): Spawned | NotStarted {
  const program = findProgram(command);
  if ('code' in program) return program;
  const name = command.argv[0] ?? '';
  try {
    return spawn(open, program.found, command, cgroup);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOEXEC') return startScript(open, program.found, command, cgroup);
    const text = `${name}: ${errnoText(error)}\n`;
    if (notFound.has(errno)) return { code: 127, text };
    if (notExecutable.has(errno)) return { code: 126, text };
    throw new Refused('spawn-failed', errnoText(error));
  }
}

/** A script without `#!` line: execvp and every shell hand it to sh. */
function startScript(open: OpenOf<'exec'>, file: string, command: Command, cgroup?: string): Spawned | NotStarted {
  const argv = ['/bin/sh', file, ...command.argv.slice(1)];
  try {
    return spawn(open, '/bin/sh', { ...command, argv }, cgroup);
  } catch (error) {
    return { code: 126, text: `${command.argv[0] ?? ''}: ${errnoText(error)}\n` };
  }
}
