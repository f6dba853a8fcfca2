import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';
import { judgeCommands } from './verification/judge-commands.ts';
import { suiteCommands } from './verification/suite-commands.ts';

/** Runs of the arena. They go through the gateway with an API key, which says whose runs are seen; the last two are its operator's. */
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
    name: 'arena resume',
    summary: 'have a run go on that nobody holds',
    load: async () => any((await import('../commands/arena/arena-resume.ts')).arenaResume),
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
    name: 'arena tools',
    summary: 'list tool servers and their tools',
    load: async () => any((await import('../commands/arena/arena-tools.ts')).arenaTools),
  },
  {
    name: 'arena watch',
    summary: 'tell what happens in the arena as it happens',
    load: async () => any((await import('../commands/arena/arena-watch.ts')).arenaWatch),
  },
  {
    name: 'arena mode',
    summary: 'show or set how answers are verified',
    load: async () => any((await import('../commands/arena/arena-mode.ts')).arenaMode),
  },
  {
    name: 'arena clear-cache',
    summary: 'forget verified answers that are given again',
    load: async () => any((await import('../commands/arena/arena-clear-cache.ts')).arenaClearCache),
  },
  ...judgeCommands,
  ...suiteCommands,
];
