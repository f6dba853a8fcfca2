/** What an OPEN exec runs: program, arguments, folder, environment (EX-1, EX-2). */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { OpenOf } from '@labmesh/wire/frame/open';
import type { Account } from '../../accounts.ts';

export type Command = {
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  /** Uid of the account it runs as. */
  owner: number;
};

const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Of the agent's own environment nothing else goes on: it may hold secrets. */
const inherited = (name: string) => name === 'PATH' || name === 'LANG' || name === 'TZ' || name.startsWith('LC_');

/** The environment a login gives, then what the caller set. */
function environment(open: OpenOf<'exec'>, account: Account, base: Readonly<Record<string, string | undefined>>) {
  const own = Object.entries(base).filter((entry): entry is [string, string] => {
    return inherited(entry[0]) && entry[1] !== undefined;
  });
  return {
    PATH: standardPath,
    ...Object.fromEntries(own),
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
    ...(open.tty !== null && { TERM: open.tty.term }),
    ...(open.session !== undefined && { LABMESH_SESSION: open.session }),
    ...open.env,
  };
}

/** Undefined also where a folder on the way cannot be entered. */
function statOf(path: string) {
  try {
    // An error for each folder of PATH that lacks the program would cost more than the looks themselves.
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
export const isFolder = (path: string) => statOf(path)?.isDirectory() === true;

/** `prefix` as `asAccount` gives it. */
export function commandOf(
  open: OpenOf<'exec'>,
  account: Account,
  prefix: readonly string[],
  base: Readonly<Record<string, string | undefined>>,
): Command {
  const wanted = open.argv ?? (open.shell === undefined ? [account.shell, '-l'] : ['/bin/sh', '-c', open.shell]);
  const cwd = open.cwd ?? (isFolder(account.home) ? account.home : '/');
  return { argv: [...prefix, ...wanted], cwd, env: environment(open, account, base), owner: account.uid };
}

export type Program = { found: string } | { code: 126 | 127; text: string };

/**
 * The file that execvp would run, or the exit code a shell gives in its place. Looked up by the command's own PATH and
 * folder, which the runtime does not do.
 */
export function findProgram(command: Command): Program {
  const name = command.argv[0] ?? '';
  const notFound = { code: 127, text: `${name}: command not found\n` } as const;
  if (name === '') return notFound;
  if (name.includes('/')) {
    const path = resolve(command.cwd, name);
    const stat = statOf(path);
    if (stat === undefined) return { code: 127, text: `${name}: no such file or directory\n` };
    return stat.isDirectory() ? { code: 126, text: `${name}: is a directory\n` } : { found: path };
  }
  let refused = false;
  for (const folder of (command.env['PATH'] ?? standardPath).split(':')) {
    const path = resolve(command.cwd, folder, name);
    const file = statOf(path);
    if (file === undefined || file.isDirectory()) continue;
    if ((file.mode & 0o111) !== 0) return { found: path };
    refused = true;
  }
  return refused ? { code: 126, text: `${name}: permission denied\n` } : notFound;
}
