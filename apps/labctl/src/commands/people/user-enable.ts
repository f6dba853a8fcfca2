import { defineFleetCommand } from '../../fleet-command.ts';
import { setDisabled } from './set-disabled.ts';

/** RB-11. */
export const userEnable = defineFleetCommand({
  name: 'user enable',
  summary: 'Lets a user in again who was disabled; logins that were cut do not come back, the user logs in anew.',
  usage: 'labctl user enable NAME',
  examples: ['labctl user enable alice'],
  options: {},
  positionalsMax: 1,
  completes: [['user/']],
  run: (call) => setDisabled(call, 'labctl user enable', false),
});
