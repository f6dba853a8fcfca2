import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Keys of the API. The gateway that runs on the data folder is asked for them, so `labctl up` must run. */
export const keyCommands: readonly CommandEntry[] = [
  {
    name: 'keys create',
    summary: 'make an API key',
    load: async () => any((await import('../commands/keys-create.ts')).keysCreate),
  },
  {
    name: 'keys list',
    summary: 'list the API keys',
    load: async () => any((await import('../commands/keys-list.ts')).keysList),
  },
  {
    name: 'keys edit',
    summary: 'change the rights of an API key',
    load: async () => any((await import('../commands/keys-edit.ts')).keysEdit),
  },
  {
    name: 'keys revoke',
    summary: 'end an API key',
    load: async () => any((await import('../commands/keys-revoke.ts')).keysRevoke),
  },
];
