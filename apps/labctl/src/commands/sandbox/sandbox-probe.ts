import { defineCommand } from '../../command.ts';
import { jsonOption, socketOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { levelText } from '../../sandbox/level-text.ts';
import { withExecutor } from '../../sandbox/with-executor.ts';

/**
 * A level counts as ready when a program ran in it: a tool may be installed and the kernel refuse it all the same. Exit
 * code 1 when none is ready, so that a script need not read the table.
 */
export const sandboxProbe = defineCommand({
  name: 'sandbox probe',
  summary:
    'Tells which isolation levels this machine has for code of strangers: a real program is run at each. For one that is ' +
    'not ready, what to install or switch on.',
  usage: 'labctl sandbox probe [--json] [--socket PATH]',
  examples: ['labctl sandbox probe', 'labctl sandbox probe --json'],
  options: { ...socketOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    const levels = await withExecutor({ socket: values.socket, world }, (client) => client.levels());
    world.stdout(values.json ? `${JSON.stringify({ levels })}\n` : levelText(levels, world.columns));
    return levels.some(({ ready }) => ready) ? exitCodes.ok : exitCodes.failed;
  },
});
