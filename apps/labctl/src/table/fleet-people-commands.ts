import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Who one is to labd, and what one may do there. */
export const fleetPeopleCommands: readonly CommandEntry[] = [
  {
    name: 'login',
    summary: 'log in to a labd',
    load: async () => any((await import('../commands/people/login.ts')).login),
  },
  {
    name: 'logout',
    summary: 'end the login of a context',
    load: async () => any((await import('../commands/people/logout.ts')).logout),
  },
  {
    name: 'whoami',
    summary: 'show who labd takes you for',
    load: async () => any((await import('../commands/people/whoami.ts')).whoami),
  },
  {
    name: 'auth can-i',
    summary: 'ask whether somebody may do something',
    load: async () => any((await import('../commands/people/auth-can-i.ts')).authCanI),
  },
  {
    name: 'create user',
    summary: 'make a user and the line to log in with',
    load: async () => any((await import('../commands/people/create-user.ts')).createUser),
  },
  {
    name: 'create role',
    summary: 'make a role of rules',
    load: async () => any((await import('../commands/people/create-role.ts')).createRole),
  },
  {
    name: 'create binding',
    summary: 'give somebody a role',
    load: async () => any((await import('../commands/people/create-binding.ts')).createBinding),
  },
  {
    name: 'role edit',
    summary: 'change the rules of a role',
    load: async () => any((await import('../commands/people/role-edit.ts')).roleEdit),
  },
  {
    name: 'user token',
    summary: 'make a new login token',
    load: async () => any((await import('../commands/people/user-token.ts')).userToken),
  },
  {
    name: 'user password',
    summary: 'set or remove a password',
    load: async () => any((await import('../commands/people/user-password.ts')).userPassword),
  },
  {
    name: 'user totp',
    summary: 'turn one-time codes on or off',
    load: async () => any((await import('../commands/people/user-totp.ts')).userTotp),
  },
  {
    name: 'user disable',
    summary: 'let a user in no more',
    load: async () => any((await import('../commands/people/user-disable.ts')).userDisable),
  },
  {
    name: 'user enable',
    summary: 'let a disabled user in again',
    load: async () => any((await import('../commands/people/user-enable.ts')).userEnable),
  },
];
