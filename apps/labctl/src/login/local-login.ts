/**
 * `login --local` (ID-1): whoever may open labd's admin socket is its administrator. Over it a user is made (role admin)
 * or given a new token; the login itself then goes over TLS like any other.
 */
import { readFileSync } from 'node:fs';
import type { LabdClient } from '../client/labd-client.ts';
import { CommandError } from '../command-error.ts';
import type { Environment } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { pinsOf } from './fetch-bundle.ts';
import type { Trust } from './settle-trust.ts';

export type Account = { name: string; home: string };

/** A line of the account table; the runtime's own userInfo believes $USER and $HOME, which sudo may have left as they were. */
export function accountIn(passwd: string, uid: number): Account | undefined {
  for (const line of passwd.split('\n')) {
    const [name, , id, , , home] = line.split(':');
    if (name && home && id === String(uid)) return { name, home };
  }
  return undefined;
}

/** Accounts of a directory service are in no file: `getent` knows them. */
function accountOf(uid: number): Account | undefined {
  try {
    const found = accountIn(readFileSync('/etc/passwd', 'utf8'), uid);
    if (found !== undefined) return found;
    return accountIn(Bun.spawnSync(['getent', 'passwd', String(uid)]).stdout.toString(), uid);
  } catch {
    return undefined;
  }
}

/** Who is at the terminal. `sudo` is undefined when labctl was started by the account itself. */
export type Invoker = { name: string; sudo: { uid: number; gid: number } | undefined };

const idOf = (text: string | undefined) => (text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined);

/** The account behind sudo, or that of this process. @throws CommandError for a name that no user of labd can have */
export function invokerOf(env: Environment): Invoker {
  const { SUDO_USER: behind, SUDO_UID, SUDO_GID } = env;
  const [uid, gid] = [idOf(SUDO_UID), idOf(SUDO_GID)];
  const sudo = behind !== undefined && uid !== undefined && gid !== undefined && uid > 0 ? { uid, gid } : undefined;
  const own = () => accountOf(process.getuid?.() ?? -1)?.name ?? env['USER'] ?? 'root';
  return { name: (sudo === undefined ? own() : (behind ?? '')).toLowerCase(), sudo };
}

/**
 * Becomes the account behind sudo for the rest of this process, so that nothing root writes lands in a folder that
 * somebody else could have prepared. Gives its home. @throws CommandError for an account without one; what the system says
 */
export function leaveRoot({ name, sudo }: Invoker): string | undefined {
  if (sudo === undefined || process.getuid?.() !== 0) return undefined;
  const account = accountOf(sudo.uid);
  if (account === undefined) {
    throw new CommandError(`the account ${name} (${sudo.uid}) has no home`, { hint: 'log in as root, without sudo' });
  }
  // Of Node, and of Bun, but not of the types: without it the groups of root would stay.
  (process as { initgroups?: (name: string, gid: number) => void }).initgroups?.(account.name, sudo.gid);
  process.setgid?.(sudo.gid);
  process.setuid?.(sudo.uid);
  return account.home;
}

const userPattern = /^[a-z0-9](?:[a-z0-9._@+-]{0,251}[a-z0-9])?$/;

/** @throws CommandError (exit 2) */
export function userNameOf(given: string | undefined, invoker: Invoker): string {
  const name = (given ?? invoker.name).toLowerCase();
  if (userPattern.test(name)) return name;
  throw new CommandError(`${JSON.stringify(name.slice(0, 80))} cannot be the name of a user`, {
    hint: 'give another with --user NAME',
    exitCode: exitCodes.usage,
  });
}

export type LocalGrant = { token: string; trust: Trust; isNew: boolean };

/** A one-time token for the user, made with role admin when it is not there, and the CA's roots. */
export async function grantLocally(labd: LabdClient, name: string): Promise<LocalGrant> {
  const bundlePem = await labd.text('get-bundle');
  const pins = pinsOf(bundlePem);
  if (pins === undefined) throw new CommandError(`${labd.where} has no CA yet`, { hint: 'labctl doctor' });
  const trust = { bundlePem, pins };
  const { items } = await labd.listAll('list-users', { query: { q: name } });
  const known = items.find((user) => user.name === name);
  if (known !== undefined) {
    const { token } = await labd.call('create-user-token', { params: { id: known.id } });
    return { token, trust, isNew: false };
  }
  const { token } = await labd.call('create-user', { body: { name, roles: ['admin'] } });
  return { token, trust, isNew: true };
}
