import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Code of strangers at a stated isolation level. */
export const sandboxCommands: readonly CommandEntry[] = [
  {
    name: 'sandbox probe',
    summary: 'tell which isolation levels this machine has',
    load: async () => any((await import('../commands/sandbox/sandbox-probe.ts')).sandboxProbe),
  },
  {
    name: 'sandbox run',
    summary: 'run a program of a stranger',
    load: async () => any((await import('../commands/sandbox/sandbox-run.ts')).sandboxRun),
  },
];
