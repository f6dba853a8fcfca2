import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** labctl itself: its settings, its shell, its own health. */
export const toolCommands: readonly CommandEntry[] = [
  {
    name: 'config list',
    summary: 'show the settings and where each comes from',
    load: async () => any((await import('../commands/config/config-list.ts')).configList),
  },
  {
    name: 'config get',
    summary: 'print one setting',
    load: async () => any((await import('../commands/config/config-get.ts')).configGet),
  },
  {
    name: 'config set',
    summary: 'change one setting',
    load: async () => any((await import('../commands/config/config-set.ts')).configSet),
  },
  {
    name: 'config path',
    summary: 'print where the settings are',
    load: async () => any((await import('../commands/config/config-path.ts')).configPathCommand),
  },
  {
    name: 'completion',
    summary: 'print the completion of a shell',
    load: async () => any((await import('../commands/config/completion.ts')).completion),
  },
  {
    name: 'doctor',
    summary: 'look for what is in the way',
    load: async () => any((await import('../commands/doctor.ts')).doctor),
  },
  {
    name: 'version',
    summary: 'print the version',
    load: async () => any((await import('../commands/version.ts')).version),
  },
];
