import type { Command } from '../../command.ts';
import { anyCommand } from '../../table/any-command.ts';
import { get } from '../fleet/get.ts';

const whole: Command = anyCommand(get);

/** The classic name of `get sessions`. */
export const sessionsList: Command = {
  ...whole,
  name: 'sessions list',
  summary: 'Lists sessions, live and past: labctl get sessions.',
  usage: 'labctl sessions list [--server NAME] [--status STATE] [--job ID]',
  examples: ['labctl sessions list --status open'],
  positionalsMax: 0,
  completes: [],
  run: (call) => whole.run({ ...call, positionals: ['sessions'] }),
};
