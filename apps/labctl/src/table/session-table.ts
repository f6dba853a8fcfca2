import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';
import { recordingCommands } from './recording-commands.ts';

/** Work on servers by way of labd, which decides who may and keeps who did. */
export const sessionCommands: readonly CommandEntry[] = [
  {
    name: 'exec',
    summary: 'run a command on servers, or a login shell',
    load: async () => any((await import('../commands/session/exec.ts')).exec),
  },
  {
    name: 'attach',
    summary: 'join a command that runs',
    load: async () => any((await import('../commands/session/attach.ts')).attach),
  },
  {
    name: 'kill',
    summary: 'end sessions',
    load: async () => any((await import('../commands/session/kill.ts')).kill),
  },
  ...recordingCommands,
  {
    name: 'cp',
    summary: 'copy files to or from a server',
    load: async () => any((await import('../commands/session/cp.ts')).cp),
  },
  {
    name: 'port-forward',
    summary: 'make ports of a server ports of this machine',
    load: async () => any((await import('../commands/session/port-forward.ts')).portForward),
  },
  {
    name: 'logs',
    summary: 'show logs of a server, or the audit log',
    load: async () => any((await import('../commands/session/logs.ts')).logs),
  },
];
