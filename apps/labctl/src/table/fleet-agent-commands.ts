import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Versions of agents: labd rolls one out a few machines at a time, and takes it back. */
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
