/**
 * `login --local` (ID-1): whoever may open labd's admin socket is its administrator. Over it a user is made (role admin)
 * or given a new token; the login itself then goes over TLS like any other.
 */
import { userInfo } from 'node:os';
import type { LabdClient } from '../client/labd-client.ts';
import { CommandError } from '../command-error.ts';
import type { Environment } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { pinsOf } from './fetch-bundle.ts';
import type { Trust } from './settle-trust.ts';

/** Who is at the terminal. `sudo` is undefined when labctl was started by the account itself. */
export type Invoker = { name: string; sudo: { uid: number; gid: number } | undefined };

/** @throws CommandError for an account whose name no user of labd can have */
export function invokerOf(env: Environment, own: string = userInfo().username): Invoker {
  const [uid, gid] = [Number(env['SUDO_UID']), Number(env['SUDO_GID'])];
  const behind = env['SUDO_USER'] !== undefined && Number.isSafeInteger(uid) && Number.isSafeInteger(gid) && uid > 0;
  const name = (behind ? (env['SUDO_USER'] ?? own) : own).toLowerCase();
  if (!/^[a-z0-9](?:[a-z0-9._@+-]{0,251}[a-z0-9])?$/.test(name)) {
    throw new CommandError(`${JSON.stringify(name)} cannot be the name of a user`, {
      hint: 'give another with --user NAME',
      exitCode: exitCodes.usage,
    });
  }
  return { name, sudo: behind ? { uid, gid } : undefined };
}

/**
 * Becomes the account behind sudo for the rest of this process, so that nothing root writes lands in a folder that
 * somebody else could have prepared. Gives its home. @throws what the system says
 */
export function leaveRoot({ name, sudo }: Invoker): string | undefined {
  if (sudo === undefined || process.getuid?.() !== 0) return undefined;
  // Of Node, and of Bun, but not of the types: without it the groups of root would stay.
  (process as { initgroups?: (name: string, gid: number) => void }).initgroups?.(name, sudo.gid);
  process.setgid?.(sudo.gid);
  process.setuid?.(sudo.uid);
  return userInfo().homedir;
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
