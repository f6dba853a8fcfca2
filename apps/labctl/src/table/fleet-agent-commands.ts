import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

export const fleetAgentCommands: readonly CommandEntry[] = [
  {
    name: 'agents update',
    summary: 'bring agents to a version, a few at a time',
    load: async () => any((await import('../commands/agents/agents-update.ts')).agentsUpdate),
  },
  {
    name: 'agents rollback',
    summary: 'bring agents back to the version before',
    load: async () => any((await import('../commands/agents/agents-rollback.ts')).agentsRollback),
  },
];
