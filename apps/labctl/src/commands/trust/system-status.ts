import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { healthFields } from '../../fleet/health-text.ts';
import { renderFields } from '../../output/result.ts';

/** AP-11 for people and scripts. */
export const systemStatus = defineFleetCommand({
  name: 'system status',
  summary: 'Shows the state of labd: database, replicas, agents, audit and CA. Exit code 1 when it is not ok.',
  usage: 'labctl system status [-o FORM]',
  examples: ['labctl system status', 'labctl system status -o json', 'sudo labctl system status --local'],
  options: {},
  positionalsMax: 0,
  async run({ labd, result, world }) {
    const health = await (await labd()).call('get-detailed-health');
    await result.object(health, renderFields(healthFields(health, world.clock.wall())));
    return health.status === 'ok' ? exitCodes.ok : exitCodes.failed;
  },
});
