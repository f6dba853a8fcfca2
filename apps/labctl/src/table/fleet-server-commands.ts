import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Things that labd keeps. Most verbs take any type of them, as TYPE or TYPE/NAME, so a new type needs no new verb. */
export const fleetServerCommands: readonly CommandEntry[] = [
  {
    name: 'get',
    summary: 'list things, or show those that are named',
    load: async () => any((await import('../commands/fleet/get.ts')).get),
  },
  {
    name: 'describe',
    summary: 'show everything about a thing',
    load: async () => any((await import('../commands/fleet/describe.ts')).describe),
  },
  {
    name: 'label',
    summary: 'set labels, environment, cloud and role of servers',
    load: async () => any((await import('../commands/fleet/label.ts')).label),
  },
  {
    name: 'create token',
    summary: 'make the line with which a machine joins',
    load: async () => any((await import('../commands/fleet/create-token.ts')).createToken),
  },
  {
    name: 'approve',
    summary: 'let a machine in that waits',
    load: async () => any((await import('../commands/fleet/approve.ts')).approve),
  },
  {
    name: 'ban',
    summary: 'cut a server off and refuse it',
    load: async () => any((await import('../commands/fleet/ban.ts')).ban),
  },
  {
    name: 'unban',
    summary: 'lift a ban',
    load: async () => any((await import('../commands/fleet/unban.ts')).unban),
  },
  {
    name: 'delete',
    summary: 'end a thing for good',
    load: async () => any((await import('../commands/fleet/delete.ts')).deleteCommand),
  },
  {
    name: 'revoke',
    summary: 'end a token or a certificate',
    load: async () => any((await import('../commands/fleet/revoke.ts')).revoke),
  },
  {
    name: 'agents remove',
    summary: 'revoke the certificate of an agent',
    load: async () => any((await import('../commands/fleet/agents-remove.ts')).agentsRemove),
  },
  {
    name: 'agents ban',
    summary: 'cut the server of an agent off',
    load: async () => any((await import('../commands/fleet/agents-ban.ts')).agentsBan),
  },
  {
    name: 'agents pin',
    summary: 'keep an agent at a version',
    load: async () => any((await import('../commands/fleet/agents-pin.ts')).agentsPin),
  },
  {
    name: 'events',
    summary: 'show what happened in the fleet',
    load: async () => any((await import('../commands/fleet/events.ts')).events),
  },
];
