import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** Sessions, live and past, and what was recorded of them. */
export const recordingCommands: readonly CommandEntry[] = [
  {
    name: 'play',
    summary: 'play the recording of a session',
    load: async () => any((await import('../commands/session/play.ts')).play),
  },
  {
    name: 'sessions list',
    summary: 'list sessions, live and past',
    load: async () => (await import('../commands/session/sessions-list.ts')).sessionsList,
  },
  {
    name: 'sessions play',
    summary: 'play the recording of a session',
    load: async () => (await import('../commands/session/sessions-play.ts')).sessionsPlay,
  },
];
