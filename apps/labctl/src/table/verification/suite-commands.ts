import type { CommandEntry } from '../../command.ts';
import { anyCommand as any } from '../any-command.ts';

/** Suites go up and never come back whole: a hidden case that can be read is hidden no more. */
export const suiteCommands: readonly CommandEntry[] = [
  {
    name: 'arena suites list',
    summary: 'list suites of hidden cases',
    load: async () => any((await import('../../commands/arena/arena-suites-list.ts')).arenaSuitesList),
  },
  {
    name: 'arena suites put',
    summary: 'upload a suite',
    load: async () => any((await import('../../commands/arena/arena-suites-put.ts')).arenaSuitesPut),
  },
  {
    name: 'arena suites remove',
    summary: 'remove a suite',
    load: async () => any((await import('../../commands/arena/arena-suites-remove.ts')).arenaSuitesRemove),
  },
];
