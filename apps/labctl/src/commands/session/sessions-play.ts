import type { Command } from '../../command.ts';
import { anyCommand } from '../../table/any-command.ts';
import { play } from './play.ts';

/** The classic name of `play`. */
export const sessionsPlay: Command = {
  ...anyCommand(play),
  name: 'sessions play',
  usage: 'labctl sessions play session/ID [--speed N] [--idle-max TIME]',
};
