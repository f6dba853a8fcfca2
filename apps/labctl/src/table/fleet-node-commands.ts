import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Tokens with which nodes join. The nodes themselves are resources, as servers are: get, describe, delete. */
export const fleetNodeCommands: readonly CommandEntry[] = [
  {
    name: 'node token create',
    summary: 'make the line with which a node joins',
    load: async () => any((await import('../commands/node/node-token-create.ts')).nodeTokenCreate),
  },
  {
    name: 'node token list',
    summary: 'list the tokens of nodes',
    load: async () => any((await import('../commands/node/node-token-list.ts')).nodeTokenList),
  },
  {
    name: 'node token rotate',
    summary: 'make another token for the same node',
    load: async () => any((await import('../commands/node/node-token-rotate.ts')).nodeTokenRotate),
  },
  {
    name: 'node token revoke',
    summary: 'end a token of a node',
    load: async () => any((await import('../commands/node/node-token-revoke.ts')).nodeTokenRevoke),
  },
];
