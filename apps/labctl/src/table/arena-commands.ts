import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

export const arenaCommands: readonly CommandEntry[] = [
  {
    name: 'arena runs',
    summary: 'list verification runs',
    load: async () => any((await import('../commands/arena/arena-runs.ts')).arenaRuns),
  },
  {
    name: 'arena show',
    summary: 'show a run with its verdicts and matches',
    load: async () => any((await import('../commands/arena/arena-show.ts')).arenaShow),
  },
  {
    name: 'arena replay',
    summary: 'work out a run a second time from its records',
    load: async () => any((await import('../commands/arena/arena-replay.ts')).arenaReplay),
  },
  {
    name: 'arena leaderboard',
    summary: 'rank models by their matches',
    load: async () => any((await import('../commands/arena/arena-leaderboard.ts')).arenaLeaderboard),
  },
  {
    name: 'arena certificate',
    summary: 'fetch the certificate of a run',
    load: async () => any((await import('../commands/arena/arena-certificate.ts')).arenaCertificate),
  },
  {
    name: 'arena verifiers',
    summary: 'list the verifiers',
    load: async () => any((await import('../commands/arena/arena-verifiers.ts')).arenaVerifiers),
  },
  {
    name: 'arena suites list',
    summary: 'list suites of hidden cases',
    load: async () => any((await import('../commands/arena/arena-suites-list.ts')).arenaSuitesList),
  },
  {
    name: 'arena suites put',
    summary: 'upload a suite',
    load: async () => any((await import('../commands/arena/arena-suites-put.ts')).arenaSuitesPut),
  },
  {
    name: 'arena suites remove',
    summary: 'remove a suite',
    load: async () => any((await import('../commands/arena/arena-suites-remove.ts')).arenaSuitesRemove),
  },
];
