import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** What one machine needs, without a fleet: its gateway, the models behind it, and questions to them. */
export const modelCommands: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'start everything on this machine',
    load: async () => any((await import('../commands/up.ts')).up),
  },
  { name: 'status', summary: 'show what runs', load: async () => any((await import('../commands/status.ts')).status) },
  {
    name: 'models',
    summary: 'list the models that are served',
    load: async () => any((await import('../commands/models.ts')).models),
  },
  {
    name: 'endpoints',
    summary: 'list the servers behind the API',
    load: async () => any((await import('../commands/endpoints.ts')).endpoints),
  },
  {
    name: 'usage',
    summary: 'show requests and tokens by key or model',
    load: async () => any((await import('../commands/usage.ts')).usage),
  },
  { name: 'chat', summary: 'ask a model', load: async () => any((await import('../commands/chat.ts')).chat) },
  {
    name: 'ask',
    summary: 'ask a model, with --verify for a checked answer',
    load: async () => any((await import('../commands/ask.ts')).ask),
  },
];
