import { defineFleetCommand } from '../../fleet-command.ts';
import { setDisabled } from './set-disabled.ts';

/** RB-11: what the user has open is cut on every replica. */
export const userDisable = defineFleetCommand({
  name: 'user disable',
  summary: 'Lets a user in no more, and cuts their logins, sessions and open channels at once; user enable undoes it.',
  usage: 'labctl user disable NAME [--yes]',
  examples: ['labctl user disable alice'],
  options: {},
  positionalsMax: 1,
  completes: [['user/']],
  run: (call) => setDisabled(call, 'labctl user disable', true),
});
